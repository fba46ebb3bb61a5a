"""Processes killed while they write: ``python -m tests.reliability.kill_writes --count 1000``; the tests do a few.

A forked process saves checkpoints, packs controllers or exports bundles, one after another, until SIGKILL ends it at a
random moment. Whatever it had finished must then be whole, and nothing unfinished may pass for whole.
"""

import argparse
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mimic.core import checkpoint
from mimic.core.checked_folder import remove_orphans
from mimic.core.files import TEMPORARY, restore_folder
from mimic.exporting.bundle import bundle_files
from mimic.exporting.bundle_reader import read_bundle
from mimic.exporting.write import write_folder, write_zip
from mimic.runs.controller import load_controller

_VALUES = 500_000  # of a checkpoint's tensor: 2 MB


class Writer(ABC):
    """Something that is written again and again, numbered from 1, into ``folder``."""

    longest_s = 0.25  # until the kill

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def write(self, number: int) -> None:
        """Write what has this number."""

    @abstractmethod
    def check(self, done: int) -> None:
        """Do what the next start does, then raise AssertionError unless all is whole; ``done`` was the last finished."""


class Saves(Writer):
    """Checkpoints, of which three are kept and every third is saved once more with a score."""

    def write(self, number: int) -> None:
        tensors, meta = {"policy": {"values": _values(number)}}, {"number": number}
        checkpoint.save(self.folder, number, tensors, meta)
        if number % 3 == 0:
            checkpoint.save(self.folder, number, tensors, meta, score=float(number))

    def check(self, done: int) -> None:
        remove_orphans(self.folder)
        steps = checkpoint.steps(self.folder)
        assert not done or steps[-1] in (done, done + 1), f"finished {done}, found {steps}"
        for step in steps:
            found = checkpoint.load(self.folder / f"{step:09d}")
            assert torch.equal(found.tensors["policy"]["values"], _values(step)), f"{step} holds other values"
        assert checkpoint.best(self.folder) is not None or done < 3


class Packs(Writer):
    """Controllers, each in a folder of its own, as ``pack`` writes them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._controller = load_controller("walk")

    def write(self, number: int) -> None:
        shutil.rmtree(self.folder / str(number - 5), ignore_errors=True)
        policy = {name: value.clone() for name, value in self._controller.policy.state_dict().items()}
        policy["std"].fill_(1.0 / number)
        checkpoint.write_controller(self.folder / str(number), policy, self._controller.spec.to_json())

    def check(self, done: int) -> None:
        remove_orphans(self.folder)
        found = sorted(int(path.name) for path in self.folder.iterdir())
        assert not done or found[-1] in (done, done + 1), f"finished {done}, found {found}"
        for number in found[-4:]:  # the fifth may have been half deleted
            policy = load_controller(self.folder / str(number)).policy
            assert torch.equal(policy.std, torch.full_like(policy.std, 1.0 / number)), f"{number} is another"


class Exports(Writer):
    """Two bundles that replace each other, as folder or as zip file."""

    def __init__(self, folder: Path, as_zip: bool = False) -> None:
        super().__init__(folder)
        self.longest_s = 2.0 if as_zip else 0.25  # compression takes half a second
        self._write, self._out = (write_zip, folder / "out.zip") if as_zip else (write_folder, folder / "out")
        self._bundles = [bundle_files(load_controller(name)) for name in ("walk", "run")]

    def write(self, number: int) -> None:
        self._write(self._out, self._bundles[number % 2])

    def check(self, done: int) -> None:
        if self._write is write_folder:
            restore_folder(self._out)
        if not self._out.exists():
            assert not done, f"finished {done}, found none"
            return
        found = read_bundle(self._out)
        assert found in self._bundles, "neither of the two bundles"


@dataclass(frozen=True)
class Outcome:
    """Kills, how many of them came in the middle of a write, and how many writes were finished in all."""

    kills: int
    inside: int
    written: int


def writers(folder: Path) -> dict[str, Writer]:
    """Every writer by name, each with a folder of its own below ``folder``."""
    places = {name: folder / name for name in ("saves", "packs", "bundles", "zips")}
    for place in places.values():
        place.mkdir()
    return {
        "saves": Saves(places["saves"]),
        "packs": Packs(places["packs"]),
        "bundles": Exports(places["bundles"]),
        "zips": Exports(places["zips"], as_zip=True),
    }


def kill(writer: Writer, count: int, seed: int) -> Outcome:
    """Kill a process that writes ``count`` times, and check what is left each time. Raises AssertionError."""
    rng, done, inside = random.Random(f"{type(writer).__name__} {seed}"), 0, 0
    for index in range(count):
        done = _write_until_killed(writer, done, bool(index % 2), rng.uniform(0.0, writer.longest_s))
        inside += any(path.name.startswith((TEMPORARY, ".")) for path in writer.folder.iterdir())
        writer.check(done)
        for orphan in writer.folder.glob(".*"):  # of zip files, which no next start looks for
            shutil.rmtree(orphan) if orphan.is_dir() else orphan.unlink()
    return Outcome(count, inside, done)


def _write_until_killed(writer: Writer, done: int, one_first: bool, seconds: float) -> int:
    """Fork a process that writes the numbers after ``done``, kill it, and return the last number that it finished.

    The kill comes after ``seconds``, which are counted from the end of the first write if ``one_first``.
    """
    here, there = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            while True:
                done += 1
                writer.write(done)
                os.write(there, done.to_bytes(8, "little"))
        finally:
            os._exit(1)
    os.close(there)
    if one_first:
        select.select([here], [], [])
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL, "the writer ended by itself"
    with open(here, "rb") as told:
        finished = told.read()
    return int.from_bytes(finished[-8:], "little") if finished else done


def _values(number: int) -> Tensor:
    return torch.rand(_VALUES, generator=torch.Generator().manual_seed(number))


def main() -> int:
    """The long run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=250, help="kills of each writer")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name, writer in writers(Path(folder)).items():
            found = kill(writer, args.count, args.seed)
            print(f"{name}: {found.kills} kills, {found.inside} inside a write, {found.written} written", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
