"""Diagnose why a run of a Gymnasium task does not learn: evidence, rules and diagnosis.

The rules about weights, critic and step size are those of runs of clips. A task has no clip and no body to look at.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mimic.analysis import learning_rules
from mimic.analysis.evidence import RunEvidence, changed_settings, config_of, read_log
from mimic.analysis.finding import Finding
from mimic.core import checkpoint, program
from mimic.core.errors import CheckpointError
from mimic.gym_tasks.task_return import TaskReturn
from mimic.rl.trainer import CHECKPOINTS
from mimic.runs.task_controller import evaluate_task, load_task_controller

_TRIAL_SEED = 777
_KEYS = ("explained_variance", "ess", "kl", "std", "actor_lr", "critic_lr", "episode_length", "episode_return")


@dataclass(frozen=True, kw_only=True)
class TaskEvidence(RunEvidence):
    """Evidence about a run of a task; ``trial`` are episodes of its newest policy, None if there is no policy."""

    trial: TaskReturn | None = None


def gather_task(run: Path, episodes: int = 64, threads: int = 0) -> TaskEvidence:
    """Read the folder of a run of a task and evaluate its newest policy. Raises InputError or CheckpointError."""
    config = config_of(run)
    rows, notes = read_log(run)
    trial = None
    try:
        newest = load_task_controller(str(checkpoint.latest(run / CHECKPOINTS).path))
        trial = evaluate_task(newest, config.task.title, episodes, _TRIAL_SEED, threads)
    except CheckpointError as error:
        notes.append(f"no policy to evaluate ({error})")
    return TaskEvidence(run=run, config=config, rows=rows, notes=notes, trial=trial)


@dataclass(frozen=True)
class TaskDiagnosis:
    """The faults of a run of a task, the most certain first, and the evidence."""

    evidence: TaskEvidence
    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        """Return the diagnosis as dictionaries, lists, texts and numbers, ready for JSON."""
        e = self.evidence
        return {
            "run": str(e.run),
            "task": e.config.task.title,
            "algorithm": e.config.algorithm.name,
            "seed": e.config.seed,
            "samples": e.samples,
            "findings": [asdict(finding) for finding in self.findings],
            "trial": e.trial.to_json() if e.trial else None,
            "log": {key: e.recent(key) for key in _KEYS},
            "changed_settings": {key: list(pair) for key, pair in changed_settings(e.config).items()},
            "notes": e.notes,
        }

    def text(self) -> str:
        """Return the diagnosis as text for a terminal, several lines."""
        parts = [_headline(self.evidence), *self.evidence.notes, "", "WHAT IS AT FAULT"]
        parts += [line for number, finding in enumerate(self.findings, 1) for line in finding.lines(number)]
        if not self.findings:
            parts.append("Nothing in the log or in the settings speaks for a fault.")
        changed = changed_settings(self.evidence.config)
        if changed:
            shown = [f"{key} = {here} (gym: {there})" for key, (here, there) in list(changed.items())[:12]]
            parts += ["", "SETTINGS THAT DIFFER FROM THE PRESET gym", *shown]
        return "\n".join(parts)


def diagnose_task(evidence: TaskEvidence) -> TaskDiagnosis:
    """Apply all rules of tasks to the evidence, and return the faults found."""
    found = [finding for rule in TASK_RULES if (finding := rule(evidence)) is not None]
    return TaskDiagnosis(evidence, sorted(found, key=lambda finding: -finding.certainty))


def run_is_short(e: TaskEvidence) -> Finding | None:
    """Find the fault that the run has too few samples for a diagnosis."""
    if e.samples >= 300_000:
        return None
    return Finding(
        "patience",
        f"The run is short: {e.samples:,} samples. Tasks with a robot that can fall often need 300,000 before their returns rise.",
        (program.command(f"train --task {e.config.task.title} --resume --out {e.run}"),),
        0.3,
    )


def run_has_stalled(e: TaskEvidence) -> Finding | None:
    """Find the fault that the evaluated return has not risen in the second half of a long run."""
    returns = e.values("eval/return")
    if len(returns) < 6 or e.samples < 300_000:
        return None
    half = len(returns) // 2
    before, after, first = max(returns[:half]), max(returns[half:]), returns[0]
    if after > before + 0.05 * abs(before - first):
        return None
    return Finding(
        "exploration",
        f"The run has stopped getting better: a return of {before:.4g} at best in its first half, {after:.4g} in its second.",
        (
            "another seed: --seed 1",
            f"a longer memory: --set {e.section}.rollout.replay_iterations={2 * e.rollout.replay_iterations}",
            f"other exploration: --set {e.section}.rollout.std_start=0.3",
        ),
        0.4,
    )


def horizon_is_odd(e: TaskEvidence) -> Finding | None:
    """Find the fault that the discount factor makes the policy plan only a few steps ahead."""
    steps = 1.0 / (1.0 - e.update.gamma)
    if steps >= 10.0:
        return None
    return Finding(
        "critic",
        f"The policy plans {steps:.2g} control steps ahead (gamma {e.update.gamma:g}); a hundred are usual.",
        (f"--set {e.section}.update.gamma=0.99",),
        0.8,
    )


def simulation_breaks(e: TaskEvidence) -> Finding | None:
    """Find the fault that observations or rewards of the task are not finite."""
    diverged = sum(e.values("ends/diverged"))
    if not diverged:
        return None
    return Finding(
        "simulation",
        f"The task gave numbers that are not finite: {diverged:.0f} episodes ended so.",
        ("look for the cause in the task; the learner leaves those steps out",),
        0.7,
    )


def rewards_are_unscaled(e: TaskEvidence) -> Finding | None:
    """Find the fault that the task's rewards are far from 1, the size that the critic expects."""
    reward = e.recent("reward")
    if e.update.scale_returns or reward is None or 0.05 <= abs(reward) <= 20.0:
        return None
    return Finding(
        "critic",
        f"The mean reward is {reward:.3g}, and the critic expects rewards of about 1.",
        (f"--set {e.section}.update.scale_returns=true",),
        0.6,
    )


TASK_RULES: tuple[Callable[[TaskEvidence], Finding | None], ...] = (
    simulation_breaks,
    learning_rules.weights_are_concentrated,
    learning_rules.weights_are_at_the_cap,
    learning_rules.weights_are_equal,
    learning_rules.critic_is_blind,
    rewards_are_unscaled,
    horizon_is_odd,
    learning_rules.steps_overshoot,
    learning_rules.updates_are_skipped,
    run_is_short,
    run_has_stalled,
)


def _headline(e: TaskEvidence) -> str:
    name, seed = e.config.algorithm.name.upper(), e.config.seed
    head = f"{e.run}: '{e.config.task.title}' by {name}, seed {seed}, {e.samples / 1e6:.2g} M samples."
    if e.trial is None:
        return head
    found = e.trial.to_json()
    return (
        f"{head}\nReturn {found['return']['mean']:.4g} ± {found['return']['std']:.2g} over {found['episodes']} episodes of "
        f"{found['steps']['mean']:.0f} steps; {100 * found['failed']:.0f} % of them were terminated by the task."
    )
