import math

import pytest
import torch

from mimic.analysis.falls import BINS, FallMetric
from mimic.core.rotations import quat_from_rotvec, quat_mul
from mimic.evaluation.evaluate import evaluate
from tests.kinematic_engine import ahead, config, gentle_motion, make, shifted

N = 20


def performed(change, name="humanoid", seconds=2.0):
    """Falls of a puppet that does as the reference, changed by ``change(clip_time, state)``."""
    env = make(gentle_motion(name), N, config(f"evaluation_s={seconds}", "repair=false"), kinematic=True)
    metric = FallMetric(env)

    def act(obs):
        env.engine.next_state = change(env.tracker.ahead(env.control_dt).clip_time, ahead(env))
        return torch.zeros(N, env.act_dim)

    starts = torch.linspace(0, 0.7, N, dtype=torch.float64)
    return evaluate(env, act, start_times=starts, extra=[metric]).to_json(), metric.falls()


def test_episodes_that_do_not_fall_have_no_falls():
    report, falls = performed(lambda time, state: state)
    assert report["survival"] == 1.0 and falls is None


@pytest.mark.parametrize(("rotvec", "part", "sign"), [((0, 0.6, 0), 0, 1), ((-0.6, 0, 0), 1, -1), ((0, 0, 0.6), 2, 1)])
def test_falls_have_their_time_their_tilt_and_the_body_that_hit_the_ground(rotvec, part, sign):
    def topple(time, state):
        wrong = ((time > 0.5) & (time < 0.9)).float()
        turn = quat_from_rotvec(torch.tensor(rotvec).float() * wrong[:, None])
        state.root_quat_w = quat_mul(turn, state.root_quat_w)
        state.root_pos_w = state.root_pos_w + torch.tensor([0.3, 0.0, -0.1]) * wrong[:, None]
        down = ((time > 0.8) & (time < 0.9)).float()
        state.root_pos_w = state.root_pos_w - torch.tensor([0.0, 0.0, 0.8]) * down[:, None]
        return state

    report, falls = performed(topple)
    assert falls is not None and falls.falls == N == report["episodes"]
    assert falls.window == pytest.approx((0.8, 0.9)) or falls.window == pytest.approx((0.7, 0.8))
    assert falls.window_share > 0.9 and max(falls.hazard) == falls.hazard[round(falls.window[0] * BINS)]
    assert all(0.75 < time < 0.95 for time in falls.clip_s)
    assert falls.root_off_m == pytest.approx(math.hypot(0.3, 0.1), abs=0.05)
    assert falls.root_low_m == pytest.approx(0.1, abs=0.02)
    assert falls.tilt_rad == pytest.approx(0.6, abs=0.06)
    assert falls.tilt_to[part] * sign == pytest.approx(0.6, abs=0.06)
    assert sum(abs(x) for x in falls.tilt_to) < 0.7, "in that direction alone"
    assert max(falls.limbs_off_m.values()) < 1e-3, "seen from the root all limbs are in their places"
    assert sum(falls.touched.values()) == pytest.approx(1.0) and "left_ankle" not in falls.touched


def test_falls_name_the_limb_that_is_off_and_the_reward_that_is_lost():
    def twist(time, state):
        state.joint_quat = state.joint_quat.clone()
        state.joint_quat[:, shoulder] = quat_mul(
            quat_from_rotvec(torch.tensor([0.0, 1.2, 0.0]).expand(N, 3)), state.joint_quat[:, shoulder]
        )
        down = ((time > 0.8) & (time < 0.9)).float()
        state.root_pos_w = state.root_pos_w - torch.tensor([0.0, 0.0, 0.8]) * down[:, None]
        return state

    env = make(gentle_motion("humanoid"), 1)
    shoulder = env.character.joint_index("left_shoulder")
    _, falls = performed(twist)
    assert list(falls.limbs_off_m)[:1] in (["left_wrist"], ["left_elbow"]) and falls.limbs_off_m["left_wrist"] > 0.3
    assert falls.limbs_off_m["right_wrist"] < 1e-3 and falls.tilt_rad < 1e-3
    weights = {name: term.weight for name, term in env.config.reward.terms.items()}
    assert set(falls.lost) == set(weights) and all(0 <= falls.lost[n] <= weights[n] + 1e-6 for n in weights)
    assert next(iter(falls.lost)) in ("end_effector", "pose") and falls.lost["root"] < 0.01


def test_a_fall_in_the_first_step_is_counted():
    _, falls = performed(lambda time, state: shifted(state, root_pos_w=torch.tensor([0.0, 0.0, -0.7])))
    assert falls.falls == N and falls.root_low_m == pytest.approx(0.7, abs=0.01)


def test_hazard_is_the_rate_of_falls_and_not_their_number():
    def fall(time, state):
        down = ((time > 0.2) & (time < 0.24)).float()
        state.root_pos_w = state.root_pos_w - torch.tensor([0.0, 0.0, 0.8]) * down[:, None]
        return state

    _, falls = performed(fall)
    assert falls.window == pytest.approx((0.2, 0.3)) or falls.window == pytest.approx((0.1, 0.2))
    assert sum(rate > 0 for rate in falls.hazard) <= 2
