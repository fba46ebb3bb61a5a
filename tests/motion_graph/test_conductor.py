"""The motion graph: a switch does not jump, the clip is reached, and steering is obeyed."""

import pytest
import torch

from characters import load_character
from mimic.core.errors import InputError
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.entries import STEP_S
from mimic.motion_graph.library import states_of
from mimic.motion_graph.segment import DIFFERENCE_S, evaluate, switch_times
from mimic.play.switching import bench_switch, conducted_env
from mimic.runs.controller import load_controller
from mocap.stance import STAND

CLIPS = ("walk-authored", "trot-authored")
NUM = 6


@pytest.fixture(scope="module")
def env() -> ConductedEnv:
    return conducted_env(load_controller("dog-authored"), CLIPS, NUM, threads=1)


def begin(env: ConductedEnv, clip: int = 0) -> torch.Tensor:
    return env.begin(torch.full((NUM,), clip), torch.arange(NUM) / NUM)


def now(env: ConductedEnv) -> torch.Tensor:
    return env.conductor.poses(torch.tensor([0.0])).row[:, 0]


def test_without_a_command_the_reference_is_that_of_the_tracking_task(env: ConductedEnv) -> None:
    controller = load_controller("dog-authored").of_clip("walk-authored")
    tracking = controller.make_env(NUM, threads=1)
    expected = tracking.reset(torch.arange(NUM).double() / NUM * tracking.motion.duration)
    found = begin(env)
    for name in ("target_pose", "joint_rot", "body_pos"):
        columns = env.observation.layout[name]
        assert torch.allclose(found[:, columns], expected[:, columns], atol=0.02), name


def test_a_switch_continues_pose_and_velocity_and_then_reaches_the_clip(env: ConductedEnv) -> None:
    begin(env)
    conductor, everyone = env.conductor, torch.arange(NUM)
    left = conductor.now[everyone]
    conductor.request(everyone, torch.ones(NUM, dtype=torch.int64))
    assert bool((conductor.target == 1).all())
    at_once = conductor.now.clip != 0
    wait = torch.where(at_once, 0, conductor.wait)
    entered = torch.where(at_once, conductor.now.clip, conductor.next.clip)
    before = evaluate(env.library, left, switch_times(wait * STEP_S)).row
    rows = evaluate(env.library, conductor.now, switch_times(torch.zeros(NUM))).row
    after = torch.where(
        at_once[:, None, None], rows, evaluate(env.library, conductor.next, switch_times(torch.zeros(NUM))).row
    )
    assert torch.allclose(before[:, 0], after[:, 0], atol=1e-4)
    phase = torch.where(at_once, conductor.now.phase, conductor.next.phase)
    later = phase + DIFFERENCE_S / env.library.seconds[entered]
    clean = env.library.look_up(entered[:, None].expand(-1, 2), torch.stack((phase, later), 1))
    turned = clean[..., 7:-1].diff(dim=1) - before[..., 7:].diff(dim=1)
    assert float(turned.abs().amax()) > 0.02  # without an offset the velocity would jump
    assert torch.allclose(
        before.diff(dim=1), after.diff(dim=1), atol=0.01
    )  # 1 rad/s, in 1/120 s in which the spring already acts
    for _ in range(150):
        conductor.advance()
    clip, phase = conductor.now.clip, conductor.now.phase
    assert bool((clip == 1).all())
    assert torch.allclose(now(env)[:, 7:], env.library.look_up(clip, phase)[:, 7:-1], atol=2e-3)


def test_a_clip_that_is_still_held_is_left_at_the_same_pose_but_later(env: ConductedEnv) -> None:
    begin(env)
    conductor, everyone = env.conductor, torch.arange(NUM)
    other = torch.ones(NUM, dtype=torch.int64)
    conductor.request(everyone, other)
    waiting = conductor.now.clip == 0  # the others jumped at once
    wait, entry = conductor.wait.clone(), conductor.next.phase.clone()
    assert bool(waiting.any())
    begin(env)
    conductor.now.hold[:] = 0.25  # 7.5 control steps
    conductor.request(everyone, other)
    assert conductor.wait[waiting].tolist() == (wait[waiting] + 8).tolist()
    assert torch.equal(conductor.next.phase[waiting], entry[waiting])


def test_steering_reaches_speed_and_yaw_rate(env: ConductedEnv) -> None:
    begin(env)
    everyone = torch.arange(NUM)
    env.conductor.steer(everyone, torch.full((NUM,), 1.4), torch.full((NUM,), 0.5))
    for _ in range(90):
        env.conductor.advance()
    before, yaw = now(env), env.conductor.now.yaw.clone()
    way = torch.zeros(NUM)
    for _ in range(60):
        env.conductor.advance()
        way += (now(env)[:, :2] - before[:, :2]).norm(dim=1)
        before = now(env)
    assert torch.allclose(way / 2.0, torch.full((NUM,), 1.4), atol=0.1)
    assert torch.allclose((env.conductor.now.yaw - yaw) / 2.0, torch.full((NUM,), 0.5), atol=0.01)


def test_steering_to_zero_stands_still(env: ConductedEnv) -> None:
    begin(env)
    zero = torch.zeros(NUM)
    env.conductor.steer(torch.arange(NUM), zero, zero)
    for _ in range(90):
        env.conductor.advance()
    before = now(env)
    for _ in range(10):
        env.conductor.advance()
    assert torch.allclose(now(env), before, atol=1e-4)


def test_the_bench_counts_every_pair() -> None:
    report = bench_switch(load_controller("dog-authored"), CLIPS, runs=2, threads=1).to_json()
    assert set(report["pairs"]) == set(CLIPS)
    shares = [share for row in report["pairs"].values() for share in row.values()]
    assert len(shares) == 2 and all(share in (0.0, 0.5, 1.0) for share in shares)
    assert report["survive"] == pytest.approx(sum(shares) / 2)
    assert report["on_clip_after_1_s"] <= 1.0


def test_an_unknown_clip_and_a_controller_of_one_clip_are_refused() -> None:
    with pytest.raises(InputError, match=r"does not have the clip 'trott-authored'.*trot-authored"):
        bench_switch(load_controller("dog-authored"), ("walk-authored", "trott-authored"))
    with pytest.raises(InputError, match="two different clips"):
        bench_switch(load_controller("dog-authored"), ("walk-authored", "walk-authored"))
    with pytest.raises(InputError, match="cannot switch"):
        bench_switch(load_controller("walk-authored"))


def test_the_stance_stands_on_the_ground() -> None:
    controller = load_controller("dog-authored")
    env = conducted_env(controller, CLIPS, 1, threads=1)
    last = states_of(env.library, load_character("dog"))[-1:]
    lowest = env.kinematics.lowest_points(env.kinematics.forward(last)).amin()
    assert env.library.names[-1] == STAND and abs(float(lowest)) < 1e-5


def test_a_clip_without_gaits_is_left_for_the_stance_and_entered_from_it() -> None:
    alone = conducted_env(load_controller("dog-authored"), ("turn-authored",), 1, threads=1)
    assert alone.library.gaits == ()
    turn, stance = (alone.library.index(name) for name in ("turn-authored", STAND))
    alone.begin(torch.tensor([turn]), torch.tensor([0.2]))
    for wanted in (stance, turn):
        alone.conductor.request(torch.tensor([0]), torch.tensor([wanted]))
        for _ in range(150):
            alone.conductor.advance()
        assert int(alone.conductor.now.clip[0]) == wanted
