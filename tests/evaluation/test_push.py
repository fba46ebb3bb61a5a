import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from mimic.core.errors import InputError
from mimic.evaluation.push import FIRST_S, LAST_S, Push, PushReport, default_impulses, half_point, make_plan, push_test
from mimic.evaluation.push_plot import draw_pushes, wilson
from tests.kinematic_engine import ahead, config, gentle_motion, make, shifted
from tests.states import CHARACTERS, assert_states_close


@pytest.mark.parametrize("name", CHARACTERS)
def test_a_push_adds_its_impulse_to_the_momentum_and_changes_nothing_else(name):
    env = make(gentle_motion(name), 5)
    env.reset()
    for _ in range(3):
        env.step(torch.zeros(5, env.act_dim))
    before, clip_time = env.engine.read(), env.tracker.current.clip_time.clone()
    impulse = torch.tensor([[30.0, -40.0, 0.0], [5.0, 0.0, 0.0]])
    env.push(torch.tensor([1, 3]), impulse / env.character.mass)
    after = env.engine.read()
    speed = torch.zeros(5, 3)
    speed[[1, 3]] = impulse / env.character.mass
    assert_states_close(after, shifted(before, root_linvel_w=speed), atol=1e-6)
    momentum = [env.character.mass * env.kinematics.com_velocity(env.kinematics.forward(s)) for s in (before, after)]
    torch.testing.assert_close((momentum[1] - momentum[0])[[1, 3]], impulse, atol=1e-3, rtol=0)
    assert torch.equal(env.tracker.current.clip_time, clip_time) and not env.engine.failed().any()


def test_every_size_is_tried_from_the_same_starts_in_directions_all_round():
    env = make(gentle_motion("humanoid"), 24)
    plan = make_plan(env, (0.0, 10.0, 20.0))
    for values in (plan.angle, plan.step, plan.start):
        assert torch.equal(values[:8], values[8:16]) and torch.equal(values[:8], values[16:])
    assert plan.impulse.tolist() == [0.0] * 8 + [10.0] * 8 + [20.0] * 8
    seconds = plan.step * env.control_dt
    assert (
        float(seconds.min()) >= FIRST_S - 0.02
        and float(seconds.max()) <= LAST_S + 0.02
        and len(set(seconds.tolist())) > 4
    )
    sectors = (plan.angle[:8] / (2 * math.pi) * 8).long()
    assert sorted(sectors.tolist()) == list(range(8))
    once = make_plan(make(gentle_motion("humanoid", loop=False), 8), (0.0,))
    assert float(once.start.max()) == 0.0 and float(once.step.max()) * env.control_dt <= 0.52


def test_a_controller_that_falls_when_pushed_hard_survives_gentle_pushes():
    mass, sizes = 45.0, (0.0, 20.0, 40.0, 60.0)
    env = make(gentle_motion("humanoid"), 16, config("evaluation_s=20"), kinematic=True)
    speeds = []

    def act(obs):
        excess = (env.engine.read().root_linvel_w - env.tracker.sample().state.root_linvel_w)[:, :2].norm(dim=1)
        speeds.append(excess)
        down = torch.tensor([0.0, 0.0, -0.7]) * (excess > 30.0 / mass)[:, None]
        env.engine.next_state = shifted(ahead(env), root_pos_w=down)
        return torch.zeros(16, env.act_dim)

    report = push_test(env, act, sizes).to_json()
    assert report["impulse_Ns"] == list(sizes) and report["pushed"] == [4] * 4
    assert report["survival"] == [1.0, 1.0, 0.0, 0.0] and report["half_survive_Ns"] == pytest.approx(30.0)
    assert report["speed_change_m_s"] == pytest.approx([size / mass for size in sizes])
    # each was pushed once, by its own size
    largest = torch.stack(speeds).amax(0)
    torch.testing.assert_close(largest, torch.tensor(sizes).repeat_interleave(4) / mass, atol=1e-2, rtol=0)
    assert len(report["pushes"]) == 16 and all(p["survived"] == (p["impulse_Ns"] < 30) for p in report["pushes"])


def test_episodes_that_fall_before_their_push_are_left_out():
    env = make(gentle_motion("humanoid"), 6, config("evaluation_s=20"), kinematic=True)
    calls = []

    def act(obs):
        calls.append(1)
        sink = torch.arange(6) % 3 == 0
        env.engine.next_state = shifted(ahead(env), root_pos_w=torch.tensor([0.0, 0.0, -0.7]) * sink[:, None])
        return torch.zeros(6, env.act_dim)

    report = push_test(env, act, (0.0, 10.0)).to_json()
    assert report["pushed"] == [2, 2] and report["survival"] == [1.0, 1.0] and report["half_survive_Ns"] is None
    assert len(calls) < 20 * 30, "it stops when all have been watched"


def test_environments_that_cannot_be_shared_out_are_refused():
    env = make(gentle_motion("humanoid"), 5)
    with pytest.raises(ValueError, match="divided equally"):
        push_test(env, lambda obs: torch.zeros(5, env.act_dim), (0.0, 10.0))


def test_the_half_point_is_where_the_line_crosses_a_half():
    assert half_point([0, 10, 20], [1.0, 0.75, 0.25]) == pytest.approx(15.0)
    assert half_point([0, 10], [1.0, 0.9]) is None
    assert half_point([0, 10, 20], [0.4, 0.6, 0.2]) is None, "half of them fall anyway"
    assert half_point([0, 10, 20, 30], [0.9, 0.4, 0.7, 0.1]) == pytest.approx(8.0), "the first crossing"


def test_default_impulses_fit_the_mass_of_the_character():
    for mass in (1.0, 29.25, 45.0, 80.0):
        sizes = default_impulses(mass)
        assert sizes[0] == 0.0 and all(size % 5 == 0 for size in sizes)
        assert mass < 10 or 1.7 < sizes[-1] / mass < 3.3


def test_the_confidence_interval_holds_the_share_and_shrinks_with_trials():
    for count in (4, 32, 1000):
        low, high = wilson(0.5, count)
        assert 0.0 <= low < 0.5 < high <= 1.0 and high - low < 2.1 / math.sqrt(count)
    assert wilson(0.0, 10)[0] == 0.0 and wilson(1.0, 10)[1] == 1.0 and wilson(0.0, 0) == (0.0, 1.0)
    assert wilson(0.5, 100) == pytest.approx((0.404, 0.596), abs=0.001)  # Newcombe 1998


def test_the_push_plot_is_drawn(tmp_path):
    report = PushReport(
        impulse_Ns=(0.0, 20.0, 40.0),
        speed_change_m_s=(0.0, 0.44, 0.89),
        pushed=(8, 8, 8),
        survival=(1.0, 0.75, 0.25),
        half_survive_Ns=30.0,
        watched_s=5.0,
        pushes=tuple(Push(10.0 * k, float(k), k < 3) for k in range(5)),
    )
    draw_pushes(report, tmp_path / "push.png", "title")
    picture = np.asarray(Image.open(tmp_path / "push.png").convert("RGB")).reshape(-1, 3)
    for colour in ((31, 119, 180), (192, 48, 40)):
        assert (np.abs(picture.astype(int) - colour).sum(1) < 90).any(), "survived and fell"
    draw_pushes(replace(report, half_survive_Ns=None, pushes=()), tmp_path / "none.png", "title")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be (written|made)"):
        draw_pushes(report, tmp_path / "file" / "push.png", "title")
