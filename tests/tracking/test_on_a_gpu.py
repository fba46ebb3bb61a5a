"""What a GPU asks of the environment, tested without one: it must not have to wait for the host inside a step."""

from collections import Counter

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from characters import load_character
from mimic.core import rotations
from mimic.sim import make_engine
from mimic.sim.engines.mujoco import MujocoEngine
from mimic.tracking import ClipRules, TrackingEnv
from tests.kinematic_engine import clip_env, config, gentle_motion, make

WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "bincount", "unique", "lift_fresh", "is_nonzero")


class Waits(TorchDispatchMode):
    """Counts operations for which a GPU's host would wait: values read back, sizes that depend on them, data sent."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(
            getattr(index, "dtype", None) == torch.bool for index in args[1] if index is not None
        )
        if name in WAITS or by_mask:
            self.seen[name] += 1
        return func(*args, **(kwargs or {}))


def actions(env, step: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(step)
    return 0.5 * torch.randn(env.num_envs, env.act_dim, generator=generator)


def test_the_counter_sees_what_waits():
    x = torch.arange(4.0)
    with Waits() as waits:
        bool((x > 1).any())
        x[x > 1]
        x.nonzero()
        torch.tensor([1.0, 2.0])
    assert set(waits.seen) >= {"_local_scalar_dense", "index", "nonzero", "lift_fresh"}


def as_on_a_gpu(motion, engine, *settings, **options) -> TrackingEnv:
    """An environment that does as if its device were a GPU, around an engine whose physics stand still."""
    env = TrackingEnv(motion, engine, config(*settings, **options), ClipRules())
    env.masked_reset, env.tracker.may_sync_host = True, False
    env.reset()
    env.episodes.steps += torch.arange(env.num_envs) % 3 * 10_000  # some are out of time
    return env


def waits_of(env: TrackingEnv) -> Counter[str]:
    """What ``env`` waits for in half a second in which episodes end and start."""
    acting = [0.1 * actions(env, step) for step in range(15)]
    with Waits() as waits:
        for action in acting:
            env.step(action)
    assert int(env.episodes.episode.sum()) > env.num_envs, "some started anew"
    return waits.seen


@pytest.mark.parametrize("name", ["fast", "paper"])
def test_a_step_with_restarts_waits_for_nothing(name, monkeypatch):
    motion = gentle_motion("humanoid", turn=0.3)
    engine = MujocoEngine(load_character("humanoid"), 12, threads=1)
    monkeypatch.setattr(engine, "step", lambda: None)  # not what a GPU would run
    assert not waits_of(as_on_a_gpu(motion, engine, name=name))


def test_a_step_with_pushes_waits_for_nothing(monkeypatch):
    engine = MujocoEngine(load_character("humanoid"), 12, threads=1)
    monkeypatch.setattr(engine, "step", lambda: None)
    pushed = ("pushes.speed=1", "pushes.every_s=0.1")
    assert not waits_of(as_on_a_gpu(gentle_motion("humanoid"), engine, *pushed))


@pytest.mark.warp
def test_a_step_of_the_gpu_engine_waits_for_nothing(monkeypatch):
    pytest.importorskip("mujoco_warp", reason="the GPU engine is an extra: pip install '.[gpu]'")
    engine = make_engine(load_character("dog"), 12, engine="warp")
    monkeypatch.setattr(engine, "_run", lambda name, kernels: None)  # a CUDA graph, there
    assert not waits_of(as_on_a_gpu(gentle_motion("dog"), engine))


class Operations(TorchDispatchMode):
    """Counts what would be a launch on a GPU: everything but views."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("character", ["humanoid", "dog"])
def test_the_formulas_for_gpus_give_the_same_step_in_fewer_operations(character, monkeypatch):
    motion, steps, counts = gentle_motion(character, turn=0.3), [], []
    for few in (False, True):
        monkeypatch.setattr(rotations, "_few_operations", lambda v, few=few: few)
        env = make(motion, 6, training=True)
        env.masked_reset = True
        env.reset()
        env.step(0.1 * actions(env, 0))
        with Operations() as operations:
            steps.append(env.step(0.1 * actions(env, 1)))
        counts.append(operations.count)
    assert torch.allclose(steps[0].obs, steps[1].obs, atol=2e-4) and torch.equal(steps[0].end, steps[1].end)
    assert torch.allclose(steps[0].reward, steps[1].reward, atol=1e-5)
    assert counts[1] < 0.9 * counts[0]
    assert counts[1] < 1450, "a launch each: what a step of few environments costs on a GPU"


@pytest.mark.parametrize("clip", ["cartwheel", "spin"])
def test_episodes_that_restart_by_mask_are_the_ones_that_restart_by_index(clip):
    envs = [clip_env(clip, 10, training=True, seed=4) for _ in range(2)]
    envs[1].masked_reset = True
    assert torch.equal(envs[0].reset(), envs[1].reset())
    ends = 0
    for step in range(45):
        a, b = (env.step(actions(env, step)) for env in envs)
        for field in ("obs", "reward", "end", "final_obs"):
            assert torch.equal(getattr(a, field), getattr(b, field)), field
        ends += int((a.end != 0).sum())
    assert ends > 5
    for name, value in envs[0].state_dict().items():
        if name != "engine.state":  # MuJoCo's own row has leftovers of the broken
            assert torch.equal(value, envs[1].state_dict()[name]), name
