"""Garbled files for every reader: ``python -m tests.fuzz --count 100000`` is the long run, the tests do the short.

Whatever comes, a reader returns something sound or raises its error, of one line.
"""

import argparse
import gc
import random
import resource
import sys
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from tests.garbling import Target
from tests.mocap import fuzz_targets as motions
from tests.reliability import fuzz_targets as folders

MOST_SECONDS, MOST_BYTES = 0.1, 256_000_000


@cache
def targets() -> dict[str, Target]:
    """All formats by name."""
    return motions.targets() | folders.targets()


def check(target: Target, data: Any) -> bool:
    """True if the reader takes the file, and what it reads is sound; its error of one line is the only other way."""
    try:
        found = target.read(data)
    except target.refuses as error:
        if "\n" in str(error) or len(str(error)) > 600:
            raise AssertionError(f"not one short line: {str(error)[:700]!r}") from None
        return False
    if not target.sound(found):
        raise AssertionError("what was read is not sound")
    return True


@dataclass(frozen=True)
class Outcome:
    """What came of a run: files tried and taken, the slowest [s of this process], and how much memory grew [bytes]."""

    tried: int
    taken: int
    slowest_s: float
    grown_bytes: int


def run(name: str, count: int, seed: int) -> Outcome:
    """Garble ``count`` files of a format, or its share of them. Raises what a reader raises that is not its error."""
    target, taken, slowest = targets()[name], 0, 0.0
    count, inputs = round(target.share * count), target.good()
    for good in inputs:
        if not check(target, good):
            raise AssertionError(f"{name}: a good file is refused")
    gc.freeze()  # what the imports made must not be looked at again while a file is timed
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for case in range(count):
        rng = random.Random(f"{name} {seed} {case}")
        data = target.mutate(rng.choice(inputs), rng)
        start = time.process_time()
        try:
            taken += check(target, data)
        except Exception as error:
            raise AssertionError(f"{name}, seed {seed}, case {case}: {type(error).__name__}: {error}") from error
        slowest = max(slowest, time.process_time() - start)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return Outcome(count, taken, slowest, grown * 1024)


def main() -> int:
    """The long run: every format, or those that are named; says what was slowest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", default=[])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if unknown := set(args.formats) - set(targets()):
        parser.error(f"no format {', '.join(sorted(unknown))}; valid: {', '.join(targets())}")
    torch.set_num_threads(1)
    failed = False
    for name in args.formats or targets():
        outcome = run(name, args.count, args.seed)
        late = outcome.slowest_s > MOST_SECONDS or outcome.grown_bytes > MOST_BYTES
        failed |= late
        print(
            f"{name}: {outcome.tried} files, {outcome.taken} taken, slowest {1000 * outcome.slowest_s:.0f} ms, "
            f"memory +{outcome.grown_bytes / 1e6:.0f} MB{'  TOO MUCH' if late else ''}",
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
