"""What may be at fault when a run does not learn: one function a fault, and the table of them.

A rule looks at the evidence and answers with a finding, or with None if nothing speaks for its fault. To add one, write
the function, here or in the file of its kind, and put it into ``RULES``. Thresholds are those beyond which a run was never seen to learn; in between, the
certainty (0 to 1) says how much to make of it.
"""

from mimic.analysis import body_rules, learning_rules
from mimic.analysis.evidence import Evidence
from mimic.analysis.finding import Finding, Rule


def too_early(e: Evidence) -> Finding | None:
    """Nobody learns a skill in so few samples."""
    if e.samples >= 2_000_000 or (e.trial and e.trial.report.normalized_return.mean > 0.7):
        return None
    return Finding(
        "patience",
        f"It is early: {e.samples / 1e6:.2g} million samples. The curve bends upward late: a cartwheel that stands for 2 s "
        "after half a million may stand for 20 s after one, and harder clips take longer.",
        (f"run_mimic.py train --clip {e.config.clip} --resume --out {e.run}",),
        0.3,
    )


def stands_still(e: Evidence) -> Finding | None:
    """Evaluations have stopped rising, far from the goal."""
    returns = e.values("eval/normalized_return")
    if len(returns) < 6 or e.samples < 2_000_000 or returns[-1] > 0.7:
        return None
    before, after = max(returns[: len(returns) // 2]), max(returns[len(returns) // 2 :])
    if after > 1.15 * before:
        return None
    return Finding(
        "exploration",
        f"It has stopped getting better: .{round(1000 * before):03d} at best in the first half of the run, "
        f".{round(1000 * after):03d} in the second.",
        (
            "another seed: --seed 1",
            f"more experience an update: --num-envs {2 * e.config.preset.num_envs}",
            f"wider noise at first: --set {e.section}.rollout.std_start=0.15",
        ),
        0.4,
    )


RULES: tuple[Rule, ...] = (
    body_rules.simulation_breaks,
    learning_rules.few_samples_decide,
    learning_rules.weights_are_yes_or_no,
    learning_rules.all_samples_alike,
    learning_rules.critic_is_blind,
    learning_rules.horizon_is_odd,
    learning_rules.noise_is_wide,
    learning_rules.noise_is_narrow,
    learning_rules.steps_overshoot,
    learning_rules.steps_vanish,
    learning_rules.updates_are_skipped,
    learning_rules.reward_is_dead,
    body_rules.clip_touches_what_it_may_not,
    body_rules.clip_sinks,
    body_rules.clip_asks_too_much,
    body_rules.clip_hovers,
    body_rules.motors_are_weak,
    too_early,
    stands_still,
)


def findings(e: Evidence) -> list[Finding]:
    """What the rules found, the surest first."""
    found = [finding for rule in RULES if (finding := rule(e)) is not None]
    return sorted(found, key=lambda finding: -finding.certainty)
