"""Small training runs through the command line, their commands in processes that can be killed, and what they leave."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mimic.core import checkpoint
from mimic.rl.metrics_log import METRICS_FILE, TIMING_KEYS, read_rows

_PATIENCE_S = 300.0  # after which a command counts as hung
ENVS = 8


@dataclass(frozen=True)
class Recipe:
    """A run of seconds: real character, clip and physics, small networks, a checkpoint after every iteration."""

    clip: str
    algorithm: str
    iterations: int
    steps: int = 8
    seed: int = 0
    threads: int = 1
    settings: tuple[str, ...] = ()

    def train(self, out: Path) -> list[str]:
        """The command line that begins the run in ``out``."""
        rollout, update = f"{self.algorithm}.rollout", f"{self.algorithm}.update"
        settings = (
            f"{rollout}.steps={self.steps}",
            f"{update}.actor_batch=64",
            f"{update}.critic_batch=64",
            "policy.actor_sizes=[16]",
            "policy.critic_sizes=[16]",
            "env.evaluation_s=0.3",
            "env.repair=false",
            "trainer.checkpoint_minutes=0",
            "trainer.tensorboard=false",
            f"trainer.evaluate_every={5 * self.steps * ENVS}",
            *self.settings,
        )
        options = ["--algorithm", self.algorithm, "--num-envs", ENVS, "--seed", self.seed]
        return [*self._common(out), *map(str, options), *(word for s in settings for word in ("--set", s))]

    def resume(self, out: Path) -> list[str]:
        """The command line that goes on with it."""
        return [*self._common(out), "--resume"]

    def begin_or_resume(self, out: Path) -> list[str]:
        """What one types after a crash: ``--resume`` if there is anything at all to resume."""
        return self.resume(out) if (out / "config.json").exists() else self.train(out)

    def _common(self, out: Path) -> list[str]:
        samples = self.iterations * self.steps * ENVS
        options = ["--clip", self.clip, "--out", out, "--samples", samples, "--threads", self.threads]
        return ["train", *map(str, options)]


class WarmParent:
    """Hands out commands of tests/reliability/warm_parent.py, one at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        script = Path(__file__).with_name("warm_parent.py")
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def start(self, argv: list[str]) -> "Running":
        """Start a command; the one before must have ended."""
        self._count += 1
        log = self._folder / f"command-{self._count}.log"
        log.touch()
        self._ask({"argv": argv, "log": str(log), "cwd": str(self._folder)})
        return Running(self._answer()["pid"], log, lambda: self._answer()["code"])

    def run(self, argv: list[str]) -> "Ended":
        """Start a command and wait for its end."""
        return self.start(argv).wait()

    def close(self) -> None:
        """End the process and what it runs."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def _ask(self, request: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, int]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the warm parent has died: {self._process.wait(_PATIENCE_S)}"
        return json.loads(line)


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (negative: the signal that killed it) and all that it printed."""

    code: int
    output: str


@dataclass(frozen=True)
class Running:
    """A command under way."""

    pid: int
    log: Path
    _code: Callable[[], int]

    def send(self, number: signal.Signals) -> None:
        """Send a signal; fails if the command has ended."""
        os.kill(self.pid, number)

    def wait(self) -> Ended:
        """Wait for the end."""
        code = self._code()
        return Ended(code, self.log.read_text(encoding="utf-8"))

    def wait_until(self, reached: Callable[[], bool]) -> None:
        """Wait until ``reached()``; fails if the command ends before, or hangs."""
        patience = time.monotonic() + _PATIENCE_S
        while not reached():
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                raise AssertionError(f"it has ended: {self.log.read_text(encoding='utf-8')}") from None
            assert time.monotonic() < patience, f"it hangs: {self.log.read_text(encoding='utf-8')}"
            time.sleep(0.002)


def saved(out: Path) -> list[int]:
    """Iterations of the checkpoints in a run folder."""
    return checkpoint.steps(out / "ckpt")


def rows(out: Path) -> list[dict[str, Any]]:
    """The log of a run, without what the clock says."""
    return [
        {key: value for key, value in row.items() if key not in TIMING_KEYS} for row in read_rows(out / METRICS_FILE)
    ]


def end_state(out: Path) -> dict[str, Any]:
    """All that a run leaves and its future depends on: the bytes of every tensor file, counters, log, what was kept."""
    newest = checkpoint.latest(out / "ckpt")
    counters = {name: value for name, value in newest.meta["counters"].items() if name != "seconds"}
    tensors = {path.name: path.read_bytes() for path in sorted(newest.path.glob("*.safetensors"))}
    best = checkpoint.best(out / "ckpt")
    kept = {"steps": saved(out), "best": best and best.name}
    return {**tensors, "counters": counters, "settings": newest.meta["settings"], "rows": rows(out), **kept}


def assert_same_end(one: dict[str, Any], two: dict[str, Any]) -> None:
    """Fails with the names of what differs, not with the bytes."""
    assert one.keys() == two.keys()
    differing = [name for name in one if one[name] != two[name]]
    assert not differing, f"differs: {', '.join(differing)}"
