"""One of 64 environments breaks while a run trains: nobody else notices, nothing of it is learned, training goes on."""

import json
from collections.abc import Callable

import pytest
import torch

from mimic.core import checkpoint
from mimic.rl.metrics_log import METRICS_FILE, read_rows
from mimic.rl.vec_env import Termination
from mimic.runs.preset import load_preset
from mimic.runs.run_config import tracking_run
from mimic.runs.tasks import tracking as tracking_task
from mimic.runs.tasks.tracking import TrackingTask
from mimic.runs.training import StopCriteria, train
from mimic.tracking import make_env
from tests.motion_samples import clip_or_skip

ENVS, STEPS, BROKEN, WHEN = 64, 8, 17, 11  # step 11 of the run is step 3 of its second iteration
SETTINGS = (
    "policy.actor_sizes=[16]",
    "policy.critic_sizes=[16]",
    "awr.rollout.steps=8",
    "awr.rollout.overlap=false",  # so that what broke in the last iteration is judged in it
    "trainer.evaluate_every=0",
    "trainer.tensorboard=false",
)
NAN, INF = float("nan"), float("inf")


def state(value: float) -> Callable:
    """Put ``value`` into one velocity of the simulation."""

    def poison(env, action):
        env.engine._qvel[BROKEN, 7] = value
        return action

    return poison


def pose(value: float) -> Callable:
    """Put ``value`` into one coordinate of the simulated pose."""

    def poison(env, action):
        env.engine._qpos[BROKEN, 2] = value
        return action

    return poison


def act(value: float) -> Callable:
    """Act with ``value``."""

    def poison(env, action):
        action = action.clone()
        action[BROKEN, 3] = value
        return action

    return poison


def reference(value: float) -> Callable:
    """Put the clip's origin in the world at ``value``."""

    def poison(env, action):
        env.tracker.current.origin_w[BROKEN, 0] = value
        return action

    return poison


def clip_time(value: float) -> Callable:
    """Set the clip's time to ``value``."""

    def poison(env, action):
        env.tracker.current.clip_time[BROKEN] = value
        return action

    return poison


POISONS = {
    f"{kind.__name__}-{value}": kind(value) for kind in (state, pose, act, reference) for value in (NAN, INF, 1e30)
} | {"clip_time-nan": clip_time(NAN)}


def run(tmp_path, monkeypatch, name, iterations, poison=None):
    """Train; at step WHEN ``poison(env, action) -> action`` strikes the training environment."""

    def make(*arguments, **options):
        env = make_env(*arguments, **options)
        if poison:
            _strike(env, poison)
        return env

    monkeypatch.setattr(tracking_task, "make_env", make)
    monkeypatch.setattr(TrackingTask, "make_evaluation", lambda task, seed, threads: None)  # it is never due here
    config = tracking_run("cartwheel", load_preset("fast", (f"num_envs={ENVS}", *SETTINGS)), "awr")
    out = tmp_path / name
    train(config, out, StopCriteria(samples=iterations * STEPS * ENVS), threads=1)
    return checkpoint.latest(out / "ckpt"), read_rows(out / METRICS_FILE)


def _strike(env, poison):
    step, count = env.step, 0

    def poisoned(action):
        nonlocal count
        count += 1
        return step(poison(env, action) if count == WHEN else action)

    env.step = poisoned


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The replay after two iterations in which nothing breaks."""
    clip_or_skip("cartwheel")
    with pytest.MonkeyPatch.context() as monkeypatch:
        found, _ = run(tmp_path_factory.mktemp("clean"), monkeypatch, "clean", 2)
    return found.tensors["replay"]


@pytest.mark.parametrize("poison", POISONS)
def test_a_broken_environment_is_cut_out_and_the_others_stay_the_same(tmp_path, monkeypatch, clean, poison):
    found, log = run(tmp_path, monkeypatch, "run", 2, POISONS[poison])
    replay = found.tensors["replay"]
    others = torch.arange(ENVS) != BROKEN
    for name in ("obs", "action", "mean", "reward", "log_prob", "end", "valid"):
        assert torch.equal(replay[name][:, others], clean[name][:, others]), name
        assert torch.equal(replay[name][: WHEN - 1, BROKEN], clean[name][: WHEN - 1, BROKEN]), name
    assert torch.equal(replay["last_obs"][others], clean["last_obs"][others])
    assert int(replay["end"][WHEN - 1, BROKEN]) == Termination.DIVERGED
    assert (~replay["valid"]).nonzero().tolist() == [[WHEN - 1, BROKEN]]
    assert [row["ends/diverged"] for row in log] == [0, 1]
    assert float(found.tensors["policy"]["normalizer.count"]) == 2 * STEPS * ENVS - 1
    assert_finite(found, log)


def test_training_continues_while_one_environment_breaks_again_and_again(tmp_path, monkeypatch, clean):
    kinds, count = list(POISONS.values()), 0

    def poison(env, action):
        nonlocal count
        count += 1
        return kinds[count % len(kinds)](env, action)

    monkeypatch.setattr(f"{__name__}.WHEN", _Always())
    found, log = run(tmp_path, monkeypatch, "run", 5, poison)
    assert [row["ends/diverged"] for row in log] == [STEPS] * 5
    assert [row["iteration"] for row in log] == [1, 2, 3, 4, 5]
    assert all(row["skipped_updates"] == 0 for row in log[1:])
    assert not found.tensors["replay"]["valid"][:, BROKEN].any()
    assert float(found.tensors["policy"]["normalizer.count"]) == 5 * STEPS * (ENVS - 1)
    assert_finite(found, log)


class _Always:
    """Equal to every step."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


def assert_finite(found, log):
    """Nothing saved and nothing logged is NaN or infinite."""
    bad = [
        f"{group}/{name}"
        for group, named in found.tensors.items()
        for name, tensor in named.items()
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()) and name != "normalizer.bound"
    ]
    assert not bad, bad
    assert "NaN" not in json.dumps(log) and "Infinity" not in json.dumps(log)
    assert all(value is not None for row in log for value in row.values())
