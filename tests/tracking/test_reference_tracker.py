import math

import pytest
import torch

from characters import load_character
from mimic.core.rotations import heading_angle, quat_from_yaw, quat_rotate
from mimic.tracking.clip_rules import ClipRules
from mimic.tracking.reference import Reference
from mimic.tracking.reference_tracker import ReferenceTracker
from tests.motion_samples import clip_or_skip, random_motion
from tests.states import assert_states_close, normal, random_state

DT = 1 / 30
FREE, POS, YAW = ClipRules(sync_root_pos=False), ClipRules(), ClipRules(sync_root_yaw=True)


def tracker_for(task, n=8, character="humanoid", loop=True, times=None):
    motion = random_motion(character, loop=loop)
    tracker = ReferenceTracker(Reference([motion], load_character(character)), task, n)
    start = torch.linspace(0, 0.99 * motion.duration, n, dtype=torch.float64) if times is None else times
    tracker.reset(torch.arange(n), start)
    return tracker


def anywhere(tracker, seed=0):
    """A simulated state that has nothing to do with the clip."""
    return random_state(tracker.reference.character, len(tracker.current.yaw), seed=seed)


def in_half_turn(angle):
    return torch.remainder(angle + math.pi, 2 * math.pi) - math.pi


def test_time_and_phase_run_on_and_wrap():
    tracker = tracker_for(FREE)
    duration, start = tracker.reference.duration, tracker.current.clip_time.clone()
    for step in range(1, 40):
        over = tracker.advance(DT, anywhere(tracker))
        torch.testing.assert_close(
            tracker.current.clip_time, torch.remainder(start + step * DT, duration), atol=1e-9, rtol=0
        )
        torch.testing.assert_close(tracker.phase, (tracker.current.clip_time / duration).float())
        assert not bool(over.any()) and bool((tracker.phase < 1).all())


def test_reset_puts_the_named_back_to_the_origin():
    tracker = tracker_for(YAW)
    for step in range(20):
        tracker.advance(DT, anywhere(tracker, step))
    kept = tracker.current.clip_time.clone()
    tracker.reset(torch.tensor([3]), torch.tensor([0.1], dtype=torch.float64))
    now = tracker.current
    assert (float(now.clip_time[3]), float(now.yaw[3]), now.origin_w[3].tolist()) == (0.1, 0.0, [0.0, 0.0, 0.0])
    assert torch.equal(now.clip_time[[0, 7]], kept[[0, 7]]) and bool((now.origin_w[[0, 7]] != 0).any())


def test_every_cycle_starts_where_the_last_one_ended_if_the_rules_do_not_synchronise():
    tracker = tracker_for(FREE)
    reference = tracker.reference
    cycles = torch.zeros(8)
    for step in range(40):
        before = tracker.current.clip_time.clone()
        tracker.advance(DT, anywhere(tracker, step))
        cycles += (tracker.current.clip_time < before).float()
        torch.testing.assert_close(
            tracker.current.origin_w, cycles[:, None] * reference.cycle_displacement[0], atol=1e-5, rtol=0
        )
    assert float(cycles.min()) >= 3 and not bool(tracker.current.yaw.any())
    end = reference.root(torch.tensor([reference.duration]).double(), torch.zeros(1, 3), torch.zeros(1))[0]
    start = reference.root(torch.zeros(1).double(), reference.cycle_displacement, torch.zeros(1))[0]
    torch.testing.assert_close(end[:, :2], start[:, :2], atol=1e-5, rtol=0)


@pytest.mark.parametrize("task", [POS, YAW])
def test_the_reference_root_jumps_to_the_simulated_one_when_a_cycle_closes(task):
    tracker = tracker_for(task)
    jumped = torch.zeros(8, dtype=torch.bool)
    for step in range(12):
        before, sim = tracker.current.clone(), anywhere(tracker, step)
        tracker.advance(DT, sim)
        closed = tracker.current.clip_time < before.clip_time
        state = tracker.sample().state
        torch.testing.assert_close(state.root_pos_w[closed, :2], sim.root_pos_w[closed, :2], atol=1e-5, rtol=0)
        if task.sync_root_yaw:
            turned = heading_angle(state.root_quat_w) - heading_angle(sim.root_quat_w)
            assert float(in_half_turn(turned)[closed].abs().max() if closed.any() else 0) < 1e-3
        else:
            assert not bool(tracker.current.yaw.any())
        assert not bool(tracker.current.origin_w[:, 2].any()), "heights are the clip's"
        assert torch.equal(tracker.current.origin_w[~closed], before.origin_w[~closed])
        assert torch.equal(tracker.current.yaw[~closed], before.yaw[~closed])
        jumped |= closed
    assert bool(jumped.all())


@pytest.mark.parametrize("task", [FREE, POS, YAW])
def test_a_simulation_that_is_the_reference_is_not_disturbed_by_synchronisation(task):
    tracker = tracker_for(task)
    for _ in range(15):
        later = tracker.ahead(DT)
        expected = tracker.reference.sample(later.clip_time, later.origin_w, later.yaw).state
        tracker.advance(DT, expected)
        assert_states_close(tracker.sample().state, expected, atol=2e-5)


@pytest.mark.parametrize("task", [FREE, POS, YAW])
@pytest.mark.parametrize("cycles", [0.3, 1.0, 2.7, 6.4])
def test_looking_ahead_closes_as_many_cycles_as_lie_between(task, cycles):
    """Also over several cycles of a short clip; what lies ahead is where an undisturbed walk would get to."""
    tracker = tracker_for(task, n=5)
    seconds = cycles * tracker.reference.duration
    seen = tracker.ahead(seconds)
    start = tracker.current.clip_time + seconds
    torch.testing.assert_close(seen.clip_time, torch.remainder(start, tracker.reference.duration), atol=1e-9, rtol=0)
    count = torch.floor(start / tracker.reference.duration + 1e-12)
    end = tracker.reference.root(
        torch.tensor([0.0, tracker.reference.duration]).double(), torch.zeros(2, 3), torch.zeros(2)
    )[1]
    a_cycle = float(heading_angle(end)[1] - heading_angle(end)[0]) if task.sync_root_yaw else 0.0
    torch.testing.assert_close(in_half_turn(seen.yaw - count.float() * a_cycle), torch.zeros(5), atol=1e-4, rtol=0)
    step, walked = tracker.reference.duration / 7, 0.0
    while walked + step < seconds + 1e-9:
        later = tracker.ahead(step)
        tracker.advance(step, tracker.reference.sample(later.clip_time, later.origin_w, later.yaw).state)
        walked += step
    rest = tracker.ahead(seconds - walked)
    torch.testing.assert_close(rest.origin_w, seen.origin_w, atol=1e-4, rtol=0)


def test_looking_ahead_changes_nothing():
    tracker = tracker_for(YAW)
    before = (tracker.current.clip_time.clone(), tracker.current.origin_w.clone(), tracker.current.yaw.clone())
    tracker.ahead(3.0)
    assert all(map(torch.equal, before, (tracker.current.clip_time, tracker.current.origin_w, tracker.current.yaw)))


def test_a_clip_that_does_not_loop_ends_and_stays_at_its_last_frame():
    tracker = tracker_for(POS, n=3, loop=False, times=torch.tensor([0.0, 0.1, 0.2]).double())
    duration = tracker.reference.duration
    ends = []
    for step in range(20):
        ends.append(tracker.advance(DT, anywhere(tracker, step)))
    ended = torch.stack(ends).double().argmax(0)
    expected = [math.ceil((duration - t) / DT - 1e-9) - 1 for t in (0.0, 0.1, 0.2)]
    assert ended.tolist() == expected
    assert torch.equal(tracker.current.clip_time, torch.full((3,), duration, dtype=torch.float64))
    assert torch.equal(tracker.ahead(5.0).clip_time, tracker.current.clip_time) and bool((tracker.phase == 1).all())


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e30, -1.0])
def test_a_broken_placement_is_noticed_and_stops_nothing(value):
    tracker = tracker_for(POS)
    assert bool(tracker.within(1e6).all())
    tracker.current.clip_time[2] = value
    tracker.ahead(0.5)
    tracker.advance(DT, anywhere(tracker))
    assert tracker.within(1e6).tolist() == [i != 2 for i in range(8)]
    if value != -1.0:
        tracker = tracker_for(POS)
        tracker.current.origin_w[1, 0] = value
        tracker.current.yaw[4] = value
        assert tracker.within(1e6).tolist() == [i not in (1, 4) for i in range(8)]


def test_a_turning_clip_turns_on_from_cycle_to_cycle():
    motion, character = clip_or_skip("turn")
    tracker = ReferenceTracker(Reference([motion], character), YAW, 1)
    tracker.reset(torch.arange(1), torch.zeros(1).double())
    headings = []
    for _ in range(60):
        later = tracker.ahead(DT)
        tracker.advance(DT, tracker.reference.sample(later.clip_time, later.origin_w, later.yaw).state)
        headings.append(heading_angle(tracker.sample().state.root_quat_w))
    turned = in_half_turn(torch.cat(headings).diff())
    # 170.5 degrees a cycle of 0.7333 s, to the right, and never back
    assert float(turned.max()) < 0
    assert float(turned.sum()) == pytest.approx(-math.radians(170.5) / 0.7333 * 59 / 30, rel=0.1)


def test_the_next_cycle_turns_about_the_place_where_the_last_one_ended():
    tracker = tracker_for(YAW, n=2)
    tracker.current.yaw[:] = torch.tensor([0.4, -2.0])
    tracker.current.origin_w[:] = normal(2, 3, seed=1).float() * torch.tensor([1.0, 1.0, 0.0])
    now, reference = tracker.current, tracker.reference
    whole = tracker.ahead(reference.duration)
    last = torch.full((2,), reference.duration, dtype=torch.float64)
    first = torch.zeros(2, dtype=torch.float64)
    end, end_quat = reference.root(last, now.origin_w, now.yaw)
    start_now, _ = reference.root(first, now.origin_w, now.yaw)
    moment = whole.clip_time
    torch.testing.assert_close(moment, now.clip_time, atol=1e-9, rtol=0)
    start, start_quat = reference.root(first, whole.origin_w, whole.yaw)
    torch.testing.assert_close(start[:, :2], end[:, :2], atol=1e-5, rtol=0)
    torch.testing.assert_close(
        in_half_turn(heading_angle(start_quat) - heading_angle(end_quat)), torch.zeros(2), atol=1e-4, rtol=0
    )
    displacement = quat_rotate(quat_from_yaw(now.yaw), reference.cycle_displacement.expand(2, 3))
    torch.testing.assert_close((start - start_now)[:, :2], displacement[:, :2], atol=1e-5, rtol=0)
