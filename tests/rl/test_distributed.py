"""Two processes over gloo, with half the environments each, train as one process with all of them does."""

import functools
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mimic.core import checkpoint
from mimic.rl.distributed import SINGLE_PROCESS
from tests.motion_samples import clip_or_skip

ROOT = Path(__file__).resolve().parents[2]
ENVS, STEPS, ITERATIONS = 16, 4, 4
# One minibatch of everything, because processes shuffle their own rows; bounds on differences in the order of sums.
SETTINGS = (
    "policy.actor_sizes=[32]",
    "policy.critic_sizes=[32]",
    "env.evaluation_s=0.3",
    "trainer.tensorboard=false",
    "trainer.evaluate_every=0",
    "trainer.checkpoint_minutes=0",  # after every iteration
)


def _train(out: Path, algorithm: str, processes: int, iterations: int = ITERATIONS, resume: bool = False) -> Path:
    section = "ppo" if algorithm == "ppo" else "awr"
    settings = (
        *SETTINGS,
        f"num_envs={ENVS // processes}",
        f"{section}.rollout.steps={STEPS}",
        f"{section}.update.actor_batch=100000",
        f"{section}.update.critic_batch=100000",
        f"{section}.update.precision=float32",
        f"{section}.update.optimizer=adam",
    )
    options = ["--clip", "walk", "--algorithm", algorithm, "--threads", "1", "--out", str(out)]
    options += ["--samples", str(ENVS * STEPS * iterations)]
    options += ["--resume"] if resume else [word for s in settings for word in ("--set", s)]
    launch = []
    if processes > 1:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        launch = ["-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
        launch += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    command = [sys.executable, *launch, str(ROOT / "run_mimic.py"), "train", *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out.parent, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory):
    """The folder of a run of two processes, by algorithm; each is trained once."""
    clip_or_skip("walk")
    root = tmp_path_factory.mktemp("two")
    return functools.cache(lambda algorithm: _train(root / algorithm, algorithm, 2))


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["awr", "ppo"])
def test_two_processes_train_as_one(tmp_path, two_processes, algorithm):
    out = two_processes(algorithm)
    one = checkpoint.latest(_train(tmp_path / "one", algorithm, 1) / "ckpt")
    two, other = (checkpoint.latest(folder / "ckpt") for folder in (out, out / "rank1"))
    assert one.step == two.step == other.step == ITERATIONS
    assert one.meta["counters"]["samples"] == two.meta["counters"]["samples"] == ENVS * STEPS * ITERATIONS
    for group in ("policy", "critic"):
        for name, tensor in one.tensors[group].items():
            torch.testing.assert_close(two.tensors[group][name], tensor, rtol=1e-3, atol=1e-5, msg=f"{group} {name}")
            assert torch.equal(two.tensors[group][name], other.tensors[group][name]), f"{group} {name}"
    assert torch.equal(
        torch.cat([two.tensors["env"]["clip_time"], other.tensors["env"]["clip_time"]]), one.tensors["env"]["clip_time"]
    )
    moved = one.tensors["policy"]["net.0.weight"] - two.tensors["policy"]["net.0.weight"]
    assert float(moved.norm()) < 0.01 * float(_movement(one)), "differences are far below what was learned"
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["samples"] == ENVS * STEPS * ITERATIONS


@pytest.mark.slow
def test_processes_killed_between_their_saves_go_on_from_what_all_have(tmp_path, two_processes):
    out, straight = tmp_path / "two", two_processes("ppo")
    shutil.copytree(straight, out)
    shutil.rmtree(out / "rank1" / "ckpt" / f"{ITERATIONS:09d}")
    _train(out, "ppo", 2, resume=True)
    ends = [checkpoint.latest(folder / "ckpt") for folder in (straight, out, out / "rank1")]
    assert [end.step for end in ends] == [ITERATIONS] * 3
    for name, tensor in ends[0].tensors["policy"].items():
        assert torch.equal(tensor, ends[1].tensors["policy"][name]) and torch.equal(
            tensor, ends[2].tensors["policy"][name]
        )


def _movement(found: checkpoint.Checkpoint) -> torch.Tensor:
    """How far Adam has moved the first layer at least: its mean step size times the root of the number of weights."""
    lr = found.tensors["learner"]["lr"][0]
    return lr * found.tensors["policy"]["net.0.weight"].numel() ** 0.5


def test_alone_everything_is_ones_own():
    value = torch.arange(6.0)
    assert SINGLE_PROCESS.is_main and SINGLE_PROCESS.broadcast(7) == 7
    assert SINGLE_PROCESS.all_reduce_sum(value) is value and torch.equal(SINGLE_PROCESS.all_reduce_mean(value), value)
    assert torch.equal(SINGLE_PROCESS.local_shard(value), value)
