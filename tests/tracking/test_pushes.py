import pytest
import torch

from mimic.core.errors import ConfigError
from mimic.tracking.config import PushConfig
from mimic.tracking.pushes import random_pushes
from tests.kinematic_engine import config, gentle_motion, make

DT = 1 / 30
CONFIG = PushConfig(speed=1.5, every_s=2.0)


def moments(envs=4000, seed=3, moment=7):
    ids = torch.arange(envs)
    return random_pushes(CONFIG, DT, seed, ids, torch.full_like(ids, moment))


def test_pushes_have_the_frequency_and_size_of_the_configuration_and_all_directions():
    many = [moments(moment=m) for m in range(30)]
    pushed, delta_linvel_w = torch.cat([p for p, _ in many]), torch.cat([s for _, s in many])
    assert float(pushed.double().mean()) == pytest.approx(DT / 2.0, rel=0.1)
    size = delta_linvel_w[pushed].norm(dim=1)
    assert float(size.max()) < 1.5 and float(size.mean()) == pytest.approx(0.75, rel=0.05)
    assert float(delta_linvel_w[:, 2].abs().max()) == 0.0
    assert float(delta_linvel_w[pushed].mean(0).norm()) < 0.05


def test_pushes_depend_on_seed_environment_and_moment_alone():
    few, many = moments(50), moments(4000)
    assert torch.equal(few[0], many[0][:50]) and torch.equal(few[1], many[1][:50])
    for other in (moments(seed=4), moments(moment=8)):
        assert not torch.equal(other[0], many[0])


@pytest.mark.parametrize("by_mask", [False, True])
def test_all_characters_are_pushed_in_training_and_none_in_evaluation(by_mask):
    settings = config("pushes.speed=0.5", "pushes.every_s=0.3")
    for training in (True, False):
        env, pushed = make(gentle_motion("humanoid"), 12, settings, training=training), torch.zeros(12)
        env.masked_reset, push = by_mask, env.push

        def counted(chosen, delta_linvel_w, push=push, pushed=pushed, env=env):
            before = env.engine.read().root_linvel_w
            push(chosen, delta_linvel_w)
            change = env.engine.read().root_linvel_w - before
            torch.testing.assert_close(
                change[chosen], delta_linvel_w[chosen] if chosen.dtype == torch.bool else delta_linvel_w
            )
            pushed[chosen] += 1

        env.push = counted
        env.reset()
        for _ in range(60):
            env.step(torch.zeros(12, env.act_dim))
        assert (int(pushed.min()) >= 1 and int(pushed.sum()) > 40) if training else int(pushed.sum()) == 0


def test_pushes_by_mask_are_those_by_index():
    envs = [
        make(gentle_motion("humanoid"), 12, config("pushes.speed=1", "pushes.every_s=0.3"), training=True) for _ in "ab"
    ]
    envs[1].masked_reset = True
    assert torch.equal(envs[0].reset(), envs[1].reset())
    for _ in range(20):
        a, b = (env.step(torch.zeros(12, env.act_dim)) for env in envs)
        assert torch.equal(a.obs, b.obs) and torch.equal(a.reward, b.reward) and torch.equal(a.end, b.end)


@pytest.mark.parametrize("wrong", ["speed=-1", "every_s=0"])
def test_nonsense_is_refused(wrong):
    with pytest.raises(ConfigError, match=wrong.split("=")[0]):
        config(f"pushes.{wrong}")
