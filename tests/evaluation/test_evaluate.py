import json
import math

import pytest
import torch

from mimic.evaluation.evaluate import evaluate, random_starts
from mimic.evaluation.metrics.jerk import ThirdDifference
from mimic.tracking import TrackingEnv
from tests.kinematic_engine import ahead, clip_env, config, gentle_motion, make, shifted

N, STEPS = 6, 15


def judged(change=lambda env, state: state, seconds=0.5, **options) -> tuple[TrackingEnv, object]:
    """An environment and an ``act`` with which the kinematic engine follows the reference, changed by ``change``."""
    env = make(gentle_motion("humanoid", **options), N, config(f"evaluation_s={seconds}"), kinematic=True)

    def act(obs):
        assert obs.shape == (N, env.obs_dim)
        env.engine.next_state = change(env, ahead(env))
        return torch.zeros(N, env.act_dim)

    return env, act


def sunk(rows):
    """Pushes some characters into the ground."""
    return torch.tensor([0.0, 0.0, -0.7]) * rows[:, None].float()


def test_a_perfect_run_earns_one():
    report = evaluate(*judged()).to_json()
    assert report["normalized_return"]["mean"] == pytest.approx(1.0, abs=1e-6)
    assert report["normalized_return"]["std"] == pytest.approx(0.0, abs=1e-6)
    assert (report["survival"], report["mean_steps"], report["episode_s"]) == (1.0, STEPS, 0.5)
    assert (report["success_rate"], report["mean_time_s"]) == (1.0, 0.5)
    assert max(report["mpjpe_m"], report["root_error_m"], report["joint_velocity_error_rad_s"]) < 1e-4
    assert report["reward_terms"] == pytest.approx(dict.fromkeys(report["reward_terms"], 1.0), abs=1e-6)
    assert report["jerk_m_s3"] == pytest.approx(report["reference_jerk_m_s3"], rel=1e-3)
    assert report["drift_m"] < 1e-5


def test_an_episode_that_falls_at_once_earns_nothing():
    report = evaluate(*judged(lambda env, state: shifted(state, root_pos_w=sunk(torch.ones(N))))).to_json()
    assert report["normalized_return"] == {"mean": 0.0, "std": 0.0}
    assert (report["survival"], report["mean_steps"]) == (0.0, 0.0)
    assert all(math.isfinite(value) for value in report["reward_terms"].values())


def test_steps_after_a_fall_count_as_zero():
    falls = torch.tensor([3, 6, 9, 99, 99, 99])  # the step in which each one falls

    def change(env, state):
        change.step += 1
        return shifted(state, root_pos_w=sunk(falls == change.step))

    change.step = 0
    report = evaluate(*judged(change)).to_json()
    returns = torch.tensor([2, 5, 8, 15, 15, 15]).double() / STEPS
    assert report["normalized_return"]["mean"] == pytest.approx(float(returns.mean()), abs=1e-6)
    assert report["normalized_return"]["std"] == pytest.approx(float(returns.std(correction=0)), abs=1e-6)
    assert report["survival"] == 0.5
    assert report["mean_steps"] == pytest.approx(60 / N)
    # averages are over the steps before the fall, when all was perfect
    assert report["reward_terms"]["root"] == pytest.approx(1.0, abs=1e-6) and report["root_error_m"] < 1e-4


def test_rewards_are_summed_and_divided_by_the_steps_there_could_have_been(monkeypatch):
    env, act = judged()
    monkeypatch.setattr(env.reward, "total", lambda terms: torch.linspace(0, 1, N))
    returned = evaluate(env, act).to_json()["normalized_return"]
    assert returned["mean"] == pytest.approx(0.5)
    assert returned["std"] == pytest.approx(float(torch.linspace(0, 1, N).std(correction=0)))


def test_tracking_errors_are_distances_to_the_reference():
    offset = torch.tensor([0.03, 0.04, 0.0])
    # not over the seam, where the reference is moved to the simulation
    starts = torch.linspace(0, 0.4, N, dtype=torch.float64)
    report = evaluate(*judged(lambda env, state: shifted(state, root_pos_w=offset)), start_times=starts).to_json()
    assert report["root_error_m"] == pytest.approx(0.05, rel=1e-3)
    assert report["mpjpe_m"] < 1e-5, "seen from the root"
    report = evaluate(*judged(lambda env, state: shifted(state, joint_vel=torch.tensor(0.25)))).to_json()
    assert report["joint_velocity_error_rad_s"] == pytest.approx(0.25, rel=1e-3)
    assert 0.0 < report["reward_terms"]["velocity"] < 0.9999


def test_a_clip_that_does_not_loop_can_be_performed_perfectly_from_anywhere():
    report = evaluate(*judged(loop=False)).to_json()
    assert report["normalized_return"]["mean"] == pytest.approx(1.0, abs=1e-6)
    assert report["survival"] == 1.0
    starts = torch.tensor([0.0, 0.5, 0.55, 0.6, 0.9, 0.99], dtype=torch.float64)
    report = evaluate(*judged(loop=False), start_times=starts).to_json()
    assert report["normalized_return"] == pytest.approx({"mean": 1.0, "std": 0.0}, abs=1e-6)
    assert report["mean_steps"] == pytest.approx((15 + 15 + 14 + 12 + 3 + 1) / N)


def test_starts_cover_a_loop_and_leave_room_for_an_episode_in_a_one_shot_clip():
    for loop, seconds, latest in ((True, 5, 1.0), (False, 5, 0.1), (False, 0.95, 0.1), (False, 0.3, 0.7)):
        env = make(gentle_motion("humanoid", loop=loop), 200, config(f"evaluation_s={seconds}"), kinematic=True)
        starts = random_starts(env) / env.motion.duration
        assert 0.0 <= float(starts.min()) < 0.05 * latest and 0.9 * latest < float(starts.max()) < latest


def test_drift_measures_the_distance_that_placing_the_clip_anew_forgives():
    """A character that follows the reference perfectly, but is put a little ahead of it at each step."""

    def change(env, state):
        change.step += 1
        return shifted(state, root_pos_w=torch.tensor([0.01 * min(change.step, 30), 0.0, 0.0]))

    change.step = 0
    env, act = judged(change, seconds=1.5)
    report = evaluate(env, act, start_times=torch.full((N,), 0.25, dtype=torch.float64)).to_json()
    # after 0.75 s the cycle closes: the reference takes over the 23 cm it was ahead by then
    assert report["drift_m"] == pytest.approx(0.23 + 0.30, abs=0.02)
    assert report["root_error_m"] < 0.31


def test_two_policies_are_evaluated_from_the_same_starts():
    starts = []
    for scale in (0.0, 0.3):
        env = make(gentle_motion("dog"), 5, config("evaluation_s=0.2"), seed=7)
        evaluate(env, lambda obs, s=scale, e=env: torch.full((5, e.act_dim), s))
        env.reset()
        original, seen = env.reset, []
        env.reset = lambda times, o=original, s=seen: (s.append(times), o(times))[1]
        evaluate(env, lambda obs, e=env: torch.zeros(5, e.act_dim))
        starts.append(seen[0])
    assert torch.equal(*starts)
    assert bool((starts[0] >= 0).all() and (starts[0] < 1.0).all())


def test_the_report_has_one_window_per_ten_seconds():
    never = 10_000
    falls = torch.tensor([3, 6, 9, never, never, never])

    def change(env, state):
        change.step += 1
        return shifted(state, root_pos_w=sunk(falls == change.step))

    change.step = 0
    env, act = judged(change, seconds=25.0)
    first, second, third = evaluate(env, act).to_json()["by_time"]
    assert [(w["from_s"], w["to_s"]) for w in (first, second, third)] == [(0, 10), (10, 20), (20, 25)]
    assert first["survival"] == second["survival"] == third["survival"] == 0.5
    # three episodes go on perfectly, the others had 2, 5 and 8 steps of 300
    assert first["normalized_return"] == pytest.approx((3 + 15 / 300) / N, abs=1e-6)
    assert second["normalized_return"] == pytest.approx(0.5, abs=1e-6) == third["normalized_return"]


def test_an_episode_succeeds_if_it_stays_within_half_a_metre_all_the_time():
    """One up all the time and far off for a moment, one always just within, one that falls."""

    def change(env, state):
        change.step += 1
        off = torch.zeros(N, 3)
        off[0, 0], off[1, 0] = (0.52 if change.step == 2 else 0.0), 0.48
        off[2, 2] = -0.7 if change.step == 4 else 0.0
        return shifted(state, root_pos_w=off)

    change.step = 0
    # not over the seam, where the reference is moved to the simulation
    report = evaluate(*judged(change), start_times=torch.linspace(0, 0.4, N, dtype=torch.float64)).to_json()
    assert report["success_rate"] == pytest.approx(4 / N)
    assert report["survival"] == pytest.approx(5 / N)


def test_jerk_is_the_third_derivative():
    jerk, dt = ThirdDifference(0.1), 0.1
    times = torch.arange(8) * dt
    path = torch.stack((2 * times**3, -(times**2), torch.ones(8)), -1)
    found = [float(jerk.next(p.expand(3, 4, 3))[0]) for p in path]
    assert found[:3] == [0.0, 0.0, 0.0]
    assert found[3:] == pytest.approx([12.0] * 5, rel=1e-2)


def test_the_report_has_the_fields_that_scripts_rely_on_and_fits_into_json():
    env = clip_env("walk", 3, config("evaluation_s=0.2"))
    report = json.loads(json.dumps(evaluate(env, lambda obs: torch.zeros(3, env.act_dim)).to_json(), allow_nan=False))
    assert (report["clip"], report["character"], report["episodes"]) == ("walk", "humanoid", 3)
    assert set(report["normalized_return"]) == {"mean", "std"}
    assert set(report["reward_terms"]) == {"pose", "velocity", "end_effector", "root", "com"}
    assert {"survival", "mpjpe_m", "root_error_m", "joint_velocity_error_rad_s", "jerk_m_s3"} <= set(report)
    assert {"foot_skate_m_s", "foot_depth_m", "torque_mean_share", "torque_by_joint", "by_time"} <= set(report)
    assert 0.0 < report["torque_mean_share"] < report["torque_peak_share"] <= 1.0
    assert set(report["torque_by_joint"]) == {joint.name for joint in env.character.joints}
    assert 0.0 < report["normalized_return"]["mean"] <= 1.0
