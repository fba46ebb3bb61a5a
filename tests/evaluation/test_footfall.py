from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

from characters import load_character
from mimic.core.strict_config import to_dict
from mimic.evaluation.contact_intervals import ContactInterval, FootContacts, Footfalls, foot_contacts
from mimic.evaluation.evaluate import evaluate
from mimic.evaluation.footfall import FootfallMetric
from mimic.evaluation.footfall_compare import compare_footfalls
from mimic.evaluation.footfall_plot import draw_footfalls, share_down
from mimic.tracking import TrackingEnv
from mocap.gaits import author_gait, gait_at, gait_names
from mocap.motion import Motion
from tests.kinematic_engine import KinematicEngine, ahead, clip_env, config
from tests.motion_samples import clip_or_skip

CYCLE = 0.5


def gait(offset: float, duty: float = 0.5, start: float = 0.1, end: float = 10.1, skip: int = 0) -> FootContacts:
    """A foot that lands ``offset`` into every cycle of half a second, but for each ``skip``-th."""
    stances = []
    for k in range(-1, 30):
        down, up = k * CYCLE + offset, k * CYCLE + offset + duty * CYCLE
        if up > start and down < end and not (skip and k % skip == 0):
            stances.append(ContactInterval(down if down > start else None, up if up < end else None))
    return FootContacts(start, end, tuple(stances))


def beside(simulation: list[FootContacts], reference: list[FootContacts]) -> dict:
    names = tuple(f"foot{f}" for f in range(len(reference)))
    return to_dict(compare_footfalls(Footfalls("made", names, names, CYCLE, True, [simulation], [reference])))


def test_the_moment_between_two_steps_is_interpolated():
    times = np.arange(40) / 30
    found = foot_contacts(times, np.cos(2 * np.pi * times))  # down between 0.25 and 0.75 s, and from 1.25 s on
    assert [s.down for s in found.intervals] == pytest.approx([0.25, 1.25], abs=1e-3)
    assert found.intervals[0].up == pytest.approx(0.75, abs=1e-3) and found.intervals[1].up is None
    assert found.duty == pytest.approx((0.5 + 0.05) / 1.3, abs=2e-3)
    still = foot_contacts(times, -np.ones(40))
    assert still.duty == 1.0 and len(still.touchdowns()) == 0
    assert foot_contacts(times, np.ones(40)).duty == 0.0 and foot_contacts(times[:0], times[:0]).duty == 0.0


def test_chatter_is_no_landing():
    times = np.arange(60) / 30
    signal = np.where((times > 0.5) & (times < 1.5), -1.0, 1.0)
    signal[30] = 0.5  # one step without contact
    signal[50] = -0.5  # one step with
    found = foot_contacts(times, signal)
    assert len(found.intervals) == 1 and found.intervals[0].down == pytest.approx(0.5, abs=0.02)


def test_a_late_foot_is_reported_late_by_its_delay():
    report = beside([gait(0.13), gait(0.35, duty=0.4)], [gait(0.1), gait(0.35)])
    first, second = report["feet"].values()
    assert first["landings"] == [{"phase": pytest.approx(0.2), "shift": pytest.approx(0.06), "missed": 0.0}]
    assert second["landings"][0]["shift"] == pytest.approx(0.0, abs=1e-9)
    assert second["duty"]["simulation"] == pytest.approx(0.4, abs=0.01)
    assert first["stride_s"] == pytest.approx({"simulation": CYCLE, "reference": CYCLE})
    assert report["largest_difference"] == pytest.approx(0.1, abs=0.01)
    assert (report["missed"], report["extra"]) == (0.0, 0.0) and report["order"]["same"]


def test_landings_are_matched_across_the_seam_of_the_cycle():
    report = beside([gait(0.01)], [gait(0.49)])
    assert report["feet"]["foot0"]["landings"][0]["shift"] == pytest.approx(0.04)
    jitter = np.random.default_rng(0).normal(0, 0.008, 18)
    uneven = FootContacts(
        0.1, 10.1, tuple(ContactInterval(k * CYCLE + j, k * CYCLE + j + 0.2) for k, j in enumerate(jitter, 1))
    )
    (landing,) = beside([uneven], [uneven])["feet"]["foot0"]["landings"]
    assert min(landing["phase"], 1 - landing["phase"]) < 0.02


def test_missing_and_extra_landings_are_counted():
    assert beside([gait(0.1, skip=2)], [gait(0.1)])["missed"] == pytest.approx(0.5, abs=0.06)
    report = beside([gait(0.1)], [gait(0.1, skip=2)])
    assert report["extra"] == pytest.approx(0.5, abs=0.06) and report["missed"] == 0.0
    twice = FootContacts(
        0.1,
        10.1,
        tuple(s for pair in zip(gait(0.1, 0.2).intervals, gait(0.35, 0.2).intervals, strict=True) for s in pair),
    )
    assert [round(x["phase"], 3) for x in beside([twice], [twice])["feet"]["foot0"]["landings"]] == [0.2, 0.7]
    never = FootContacts(0.1, 10.1, ())
    report = beside([never], [gait(0.1)])
    assert report["feet"]["foot0"]["landings"][0]["shift"] is None and not report["order"]["same"]
    assert report["largest_difference"] == pytest.approx(0.5, abs=0.01)


def test_the_order_is_another_if_two_feet_change_places_but_not_if_they_land_together():
    reference = [gait(0.1), gait(0.2), gait(0.3)]
    swapped = beside([gait(0.1), gait(0.31), gait(0.2)], reference)["order"]
    assert swapped["reference"] == ["foot0", "foot1", "foot2"] and swapped["simulation"] == ["foot0", "foot2", "foot1"]
    assert not swapped["same"]
    assert beside([gait(0.11), gait(0.19), gait(0.3)], reference)["order"]["same"]
    together = beside([gait(0.105), gait(0.1)], [gait(0.1), gait(0.105)])["order"]
    assert together["same"]


class Late(KinematicEngine):
    """Does as it is told, three steps later."""

    def step(self) -> None:
        self.queue = [*getattr(self, "queue", []), self.next_state][-4:]
        self.reset(torch.arange(self.num_envs), self.queue[0])


def follow(motion: Motion, engine_type: type = KinematicEngine) -> FootfallMetric:
    """Four puppets that do as the motion for six seconds, watched."""
    engine = engine_type(load_character(motion.character), 4, threads=1)
    env = TrackingEnv(motion, engine, config("evaluation_s=6", "repair=false"), training=False)
    metric = FootfallMetric(env)

    def act(obs):
        env.engine.next_state = ahead(env)
        return torch.zeros(4, env.act_dim)

    starts = torch.linspace(0, 0.9 * motion.duration, 4, dtype=torch.float64)
    evaluate(env, act, start_times=starts, extra=[metric])
    return metric


def followed(clip: str, engine_type: type = KinematicEngine) -> FootfallMetric:
    return follow(clip_or_skip(clip)[0], engine_type)


@pytest.mark.parametrize("clip", ["walk", "cartwheel", "trot", "canter"])
def test_a_perfect_imitation_has_the_footfalls_of_the_clip(clip):
    report = to_dict(followed(clip).report()["footfall"])
    assert report["largest_difference"] < 0.005 and report["order"]["same"]
    assert (report["missed"], report["extra"]) == (0.0, 0.0)
    assert all(0.05 < foot["duty"]["reference"] < 0.95 for foot in report["feet"].values())


def test_a_walk_that_lags_behind_lands_late():
    report = to_dict(followed("walk", Late).report()["footfall"])
    shifts = [x["shift"] * report["cycle_s"] for foot in report["feet"].values() for x in foot["landings"]]
    assert len(shifts) == 2 and shifts == pytest.approx([0.1, 0.1], abs=0.02)


def test_a_trotting_dogs_feet_land_in_diagonal_pairs():
    report = to_dict(followed("trot").report()["footfall"])
    phase = {body: foot["landings"][0]["phase"] for body, foot in report["feet"].items()}

    def apart(a, b):
        return abs((phase[a] - phase[b] + 0.5) % 1 - 0.5)

    assert apart("left_finger", "right_toe") < 0.1 > apart("right_finger", "left_toe")
    assert apart("left_finger", "right_finger") > 0.4


def test_the_footfall_diagram_shows_duty_factors(tmp_path):
    found = Footfalls("made", ("a", "b"), ("a", "b"), CYCLE, True, [[gait(0.1), gait(0.3)]], [[gait(0.1)] * 2])
    draw_footfalls(found, tmp_path / "new" / "feet.png")
    picture = np.asarray(Image.open(tmp_path / "new" / "feet.png").convert("RGB"))
    assert picture.shape[1] > 800 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 20
    share = share_down([gait(0.1, duty=0.3)], CYCLE)
    assert share.mean() == pytest.approx(0.3, abs=0.02) and set(share.round(6)) == {0.0, 1.0}
    assert share[13:29].all() and not share[31:].any()
    empty = FootContacts(0.0, 0.0, ())
    draw_footfalls(Footfalls("fell", ("a",), ("a",), CYCLE, True, [[empty]], [[empty]]), tmp_path / "none.png")


def test_footfalls_of_an_untrained_policy_can_be_drawn(tmp_path):
    env = clip_env("walk", 2, config("evaluation_s=1"))
    metric = FootfallMetric(env)
    report = evaluate(env, lambda obs: torch.zeros(2, env.act_dim), extra=[metric]).to_json()
    assert set(report["footfall"]["feet"]) == {"right_ankle", "left_ankle"}
    draw_footfalls(metric.footfalls(), tmp_path / "feet.png")
    assert Image.open(tmp_path / "feet.png").width > 800


PAWS = {"LH": "left_toe", "RH": "right_toe", "LF": "left_finger", "RF": "right_finger"}


@pytest.mark.parametrize("name", gait_names())
def test_the_paws_of_an_authored_gait_are_down_when_its_author_said(name):
    gait, motion = gait_at(name), author_gait(name)
    report = to_dict(follow(motion).report()["footfall"])
    assert report["cycle_s"] == pytest.approx(gait.stride_s, rel=0.1)
    late = {}
    for key, body in PAWS.items():
        foot = report["feet"][body]
        (landing,) = foot["landings"]
        late[key] = (landing["phase"] + gait.start - gait.contacts[key] + 0.5) % 1 - 0.5
        duty = gait.duty_fore if key.endswith("F") else gait.duty_hind
        assert -0.02 < foot["duty"]["reference"] - duty < 0.08, key
        assert foot["stride_s"]["reference"] == pytest.approx(gait.stride_s, rel=0.02)
    assert all(-0.04 < value < 0.02 for value in late.values()), "it is taken to have landed when it is low and slow"
    assert max(late.values()) - min(late.values()) < 0.03, "by as much for each paw"
    order = sorted(PAWS, key=lambda key: gait.contacts[key])
    seen = report["order"]["reference"]
    first = seen.index(PAWS[order[0]])
    if min(abs(gait.contacts[a] - gait.contacts[b]) for a, b in pairwise(order)) > 0.03:
        assert seen[first:] + seen[:first] == [PAWS[key] for key in order]
