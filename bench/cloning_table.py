"""Prints the table of clones in docs/learners.md: ``python -m bench.cloning_table [NAME...]``.

Each controller acts for 200,000 transitions, with noise on its actions. Behavioural cloning then fits a fresh policy to its mean
actions. It is evaluated from the starts from which ``pack`` evaluated the expert. Rows are kept in ``--out``, so that a table may be made in parts.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import torch

from mimic.core.files import write_json
from mimic.core.strict_config import replace
from mimic.evaluation.report import EvaluationReport
from mimic.rl.collect_episodes import collect_episodes
from mimic.rl.episode_file import write_episodes
from mimic.rl.seeds import generator
from mimic.runs.controller import Controller, load_controller, shipped_controllers
from mimic.runs.evaluate_controller import EvaluationSetup, evaluate_controller
from mimic.runs.preset import load_preset
from mimic.runs.run_config import RunConfig, run_of
from mimic.runs.tasks.tracking import TrackingTask
from mimic.runs.training import StopCriteria, train
from mocap.catalogue import names_in

_ENVS = 64
_BAR = 0.98  # of the expert's return


def clone(name: str, out: Path, transitions: int, std: float, updates: int) -> dict[str, Any]:
    """Record the controller ``name``, clone and evaluate it; return a row of the table.

    Times are CPU seconds of all threads, and depend on this machine's load.
    """
    expert = load_controller(name)
    file, folder = out / f"{name}.npz", out / name
    begin = time.process_time()
    count = _collect(expert, file, transitions, std)
    collected = time.process_time()
    stop = StopCriteria(samples=count * updates)
    result = train(_cloning_run(expert, file), folder, stop, threads=1)
    fitted = time.process_time()
    cloned = evaluate_controller(load_controller(result.checkpoint), EvaluationSetup(episodes=32, threads=1))
    stored = EvaluationReport.from_json(expert.spec.evaluation or {}, f"{name}: evaluation")
    return {
        "controller": name,
        "transitions": count,
        "std": std,
        "expert": stored.normalized_return.mean,
        "clone": cloned.report.normalized_return.mean,
        "updates": result.iterations,
        "collect_s": collected - begin,
        "fit_s": fitted - collected,
    }


def _collect(expert: Controller, file: Path, transitions: int, std: float) -> int:
    policy, env = expert.policy, expert.make_env(_ENVS, 0, 1)
    policy.set_std(std)
    about: dict[str, str | int | float] = {"task": expert.clip, "controller": str(expert.path), "std": std}
    episodes = collect_episodes(env, policy, transitions, generator(0, "collect"), about)
    write_episodes(file, episodes)
    return episodes.reward.numel()


def _cloning_run(expert: Controller, file: Path) -> RunConfig:
    """A run of ``bc`` in the expert's task, with fresh networks of the expert's sizes and no evaluation during the run."""
    preset = load_preset("fast", ("trainer.evaluate_every=0", "trainer.tensorboard=false"))
    preset = dataclasses.replace(replace(preset, "num_envs", str(_ENVS)), policy=expert.policy.config)
    return run_of(TrackingTask(tuple(names_in(expert.clip)), expert.env_config), preset, "bc", data=(str(file),))


def markdown(rows: list[dict[str, Any]]) -> str:
    """The table as Markdown, and below it how many clones reach 98 % of the expert's return."""
    lines = [
        "| controller | expert | clone | share | transitions | updates | collect [CPU-s] | fit [CPU-s] |",
        "|--|--|--|--|--|--|--|--|",
    ]
    for row in sorted(rows, key=lambda row: str(row["controller"])):
        share = row["clone"] / row["expert"]
        lines.append(
            f"| `{row['controller']}` | {row['expert']:.3f} | {row['clone']:.3f} | {100 * share:.1f} % | {row['transitions']:,} | "
            f"{row['updates']} | {row['collect_s']:.0f} | {row['fit_s']:.0f} |"
        )
    reached = sum(row["clone"] >= _BAR * row["expert"] for row in rows)
    return "\n".join([*lines, f"\n{reached} of {len(rows)} clones reach {100 * _BAR:.0f} % of the expert's return."])


def main() -> None:
    """Make the rows that are missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="controllers (default: all that ship)")
    parser.add_argument("--out", type=Path, default=Path("out/clones"), help="folder of data, runs and rows")
    parser.add_argument("--transitions", type=int, default=200_000)
    parser.add_argument("--std", type=float, default=0.1)
    parser.add_argument("--updates", type=int, default=8, help="passes over the data")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name in args.names or shipped_controllers():
        row = args.out / f"{name}.json"
        if not row.exists():
            write_json(row, clone(name, args.out, args.transitions, args.std, args.updates))
    print(markdown([json.loads(path.read_text(encoding="utf-8")) for path in args.out.glob("*.json")]))


if __name__ == "__main__":
    main()
