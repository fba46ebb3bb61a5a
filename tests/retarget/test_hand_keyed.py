"""Motions as animators make them: no weight, no keys for the pelvis, cycles, sparse frames."""

import math
from dataclasses import replace

import torch

from characters.character import load_character
from retarget.grounding import grounded_targets, has_fixed_pelvis, vertical_path
from retarget.mapping import map_skeleton
from retarget.pipeline import Options, retarget
from retarget.retarget_rig import RetargetRig
from retarget.scaled_source import ScaledSource
from retarget.source import Source
from retarget.tempo import is_feasible
from tests.retarget.foreign import foreign, stepping
from tests.retarget.rig_figures import walker

HUMANOID = load_character("humanoid")
RIG = RetargetRig(HUMANOID)


def test_a_body_in_the_air_falls_freely():
    times = torch.arange(61, dtype=torch.float64) / 60
    flight = (times > 0.3) & (times < 0.7)
    centre = torch.ones_like(times)
    lift = vertical_path(centre, torch.zeros_like(times), flight, times)
    second = (centre + lift).diff(n=2) * 60**2
    inside = flight[1:-1] & flight[2:] & flight[:-2]
    assert (second[inside] + 9.81).abs().max() < 1.0
    apex = 9.81 * 0.4**2 / 8
    assert abs(float(lift[flight].max()) - apex) < 0.05
    assert lift[times < 0.2].abs().max() < 0.02 and lift[times > 0.8].abs().max() < 0.02


def test_without_flight_the_lowest_point_is_on_the_ground():
    times = torch.arange(61, dtype=torch.float64) / 60
    ground = 0.2 * torch.sin(3 * times)
    lift = vertical_path(1 - ground, ground, torch.zeros(61, dtype=torch.bool), times)
    assert (lift - ground).abs().max() < 0.01


def squat() -> Source:
    """A figure whose legs are drawn up by 0.3 m, while the file keeps its pelvis where it is."""
    figure = walker(speed=0.0)
    pos = figure.pos_w[:1].repeat(len(figure), 1, 1)
    up = 0.15 * (1 - torch.cos(2 * math.pi * figure.times / figure.times[-1]))
    for name in ("Shin", "Foot", "Toe"):
        for side in ("L", "R"):
            joint = figure.names.index(f"{name}.{side}")
            pos[:, joint, 2] += up if name != "Shin" else 0.5 * up
    for side in ("L", "R"):
        hip, knee, foot = (figure.names.index(f"{name}.{side}") for name in ("Thigh", "Shin", "Foot"))
        length = (pos[0, hip] - pos[0, knee]).norm()
        middle = (pos[:, hip] + pos[:, foot]) / 2
        half = (pos[:, hip] - pos[:, foot]).norm(dim=-1) / 2
        pos[:, knee] = middle
        pos[:, knee, 0] += (length**2 - half.square()).clamp_min(0.0).sqrt()
    return replace(figure, pos_w=pos)


def test_legs_drawn_up_under_a_pelvis_without_keys_are_a_squat():
    source = squat()
    mapping = map_skeleton(source.names, source.parents, source.pos_w)
    assert has_fixed_pelvis(ScaledSource(RIG, source, mapping, noisy_contacts=False))
    targets = grounded_targets(RIG, source, mapping)
    height = targets.pos["pelvis"][:, 2]
    middle = len(source) // 2
    assert 0.15 < float(height[0] - height[middle]) < 0.5
    assert not targets.flight.any()


def swaying() -> Source:
    """A figure that sways once sideways."""
    figure = walker()
    pos = figure.pos_w[:1].repeat(len(figure), 1, 1)
    sway = 0.1 * torch.sin(2 * math.pi * figure.times / figure.times[-1])
    pos[..., 1] += sway[:, None] * pos[..., 2]
    return replace(figure, pos_w=pos)


def test_a_cycle_is_recognised_and_repeated():
    source = swaying()
    assert source.is_cycle
    twice = source.repeated(2)
    assert len(twice) == 2 * len(source) - 1
    assert torch.allclose(twice.pos_w[len(source) - 1 :], source.pos_w, atol=1e-9)
    assert not replace(source, pos_w=source.pos_w * torch.linspace(1, 1.2, len(source))[:, None, None]).is_cycle


def test_denser_frames_keep_the_given_ones():
    source = walker(speed=0.8)
    dense = source.denser(3)
    assert torch.allclose(dense.pos_w[::3], source.pos_w, atol=1e-9)
    assert torch.allclose(dense.times[::3], source.times, atol=1e-9)


def test_a_motion_ten_times_too_fast_is_not_feasible():
    motion = retarget(foreign(stepping()), HUMANOID, Options()).motion
    assert is_feasible(motion, HUMANOID)
    assert not is_feasible(replace(motion, times=motion.times / 10), HUMANOID)
