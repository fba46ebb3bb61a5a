"""Contacts are found where a foot is low and slow, and held where it is meant to stay."""

import pytest
import torch

from retarget.contacts import anchors, blend_offset, find_contact, intervals, tilted_floor

TIMES = torch.arange(120, dtype=torch.float64) / 60


def foot(stands: slice, height: float = 0.08) -> torch.Tensor:
    """A foot that swings forward at 2 m/s, and stands for a while."""
    going = torch.ones(120, dtype=torch.bool)
    going[stands] = False
    x = (going.double() * 2 / 60).cumsum(0)
    return torch.stack((x, 0 * x, height + 0.2 * going), 1)


def test_a_standing_foot_is_found():
    flags = find_contact(foot(slice(30, 80)), TIMES, 0.08, 0.04, torch.zeros(120))
    assert intervals(flags) == [(29, 80)] or intervals(flags) == [(30, 80)]


def test_flickers_are_no_contacts_and_no_gaps():
    path = foot(slice(30, 80))
    path[50, 2] += 0.5
    assert len(intervals(find_contact(path, TIMES, 0.08, 0.04, torch.zeros(120)))) == 1
    assert not find_contact(foot(slice(30, 32)), TIMES, 0.08, 0.04, torch.zeros(120)).any()


def test_a_drifting_paw_is_forgiven_more():
    """It jitters by 15 mm a frame, wanders by five cm and rises by three while it stands under a dog at 2.4 m/s."""
    path = foot(slice(30, 45))
    path[30:45, 0] += torch.linspace(0.0, 0.05, 15) + torch.tensor([0.0, 0.015] * 7 + [0.0])
    pace = torch.full((120,), 2.4)
    assert intervals(find_contact(path, TIMES, 0.08, 0.04, pace, noisy_contacts=True)) in ([(29, 45)], [(30, 45)])
    assert not find_contact(path, TIMES, 0.08, 0.04, pace)[31:44].all()
    flags = torch.zeros(120, dtype=torch.bool)
    flags[30:45] = True
    held = anchors(flags, path, noisy_contacts=True)[30:45]
    assert (held - held[0]).abs().max() < 1e-12
    rising = path.clone()
    rising[30:45, 2] += torch.linspace(0.0, 0.03, 15)
    assert intervals(find_contact(rising, TIMES, 0.08, 0.04, pace, noisy_contacts=True)) in ([(29, 45)], [(30, 45)])
    assert not find_contact(path + torch.tensor([0.0, 0.0, 0.05]), TIMES, 0.08, 0.04, pace, noisy_contacts=True).any()


def test_a_contact_has_one_place():
    flags = torch.zeros(120, dtype=torch.bool)
    flags[30:80] = True
    path = foot(slice(30, 80)) + 0.005 * torch.randn(120, 3, generator=torch.Generator().manual_seed(0)).double()
    fixed = anchors(flags, path)
    assert (fixed[30:80] - path[30:80].mean(0)).abs().max() < 1e-12
    assert torch.equal(fixed[~flags], path[~flags])


def test_a_shuffling_foot_is_dragged_and_never_jumps():
    flags = torch.ones(120, dtype=torch.bool)
    path = torch.stack((TIMES * 0.1, 0 * TIMES, 0 * TIMES), 1)
    fixed = anchors(flags, path)
    assert (fixed - path).norm(dim=-1).max() <= 0.03 + 1e-9
    assert fixed.diff(dim=0).norm(dim=-1).max() <= path.diff(dim=0).norm(dim=-1).max() + 1e-12


def test_offsets_hold_during_contacts_and_fade_outside():
    flags = torch.zeros(60, dtype=torch.bool)
    flags[20:30] = True
    offset = torch.ones(60, 3, dtype=torch.float64)
    blended = blend_offset(offset, flags, 10)
    assert torch.equal(blended[20:30], offset[20:30])
    assert blended[:10].abs().max() == 0 and blended[40:].abs().max() == 0
    assert blended.diff(dim=0).abs().max() < 0.2


@pytest.mark.parametrize("slope", [0.0, 0.02])
def test_a_tilted_floor_is_seen_and_a_level_one_left(slope):
    going = torch.ones(120, dtype=torch.bool)
    for start in (0, 50, 100):
        going[start : start + 20] = False
    x = (going.double() * 3 / 60).cumsum(0)
    path = torch.stack((x, 0 * x, 0.08 + 0.2 * going + slope * x), 1)
    points = torch.tensor([[[3.0, 0.0, 0.0]]], dtype=torch.float64).expand(120, 1, 3)
    floor = tilted_floor([path, path + torch.tensor([0.3, 0.1, 0.0])], TIMES, points)
    assert float(floor[0, 0]) == pytest.approx(3 * slope, abs=0.012)
