"""Rules about runs that do not learn: one function per fault, and the table of all of them.

A rule takes the evidence and returns a finding, or None if the evidence does not show its fault. To add a rule, write the
function, here or in the file of its kind, and put it into ``RULES``. No run beyond a rule's threshold has ever learned. The
certainty in [0, 1] says how far beyond it the run is.
"""

from mimic.analysis import body_rules, learning_rules
from mimic.analysis.evidence import Evidence
from mimic.analysis.finding import Finding, Rule
from mimic.core import program


def run_is_short(e: Evidence) -> Finding | None:
    """Find the fault that the run has too few samples for a diagnosis."""
    if e.samples >= 2_000_000 or (e.trial and e.trial.report.normalized_return.mean > 0.7):
        return None
    return Finding(
        "patience",
        f"The run is short: {e.samples / 1e6:.2g} million samples. Returns rise late: a cartwheel that lasts 2 s after half "
        "a million samples may last 20 s after one million, and harder clips take longer.",
        (program.command(f"train --clip {e.config.task.title} --resume --out {e.run}"),),
        0.3,
    )


def run_has_stalled(e: Evidence) -> Finding | None:
    """Find the fault that the evaluated return has stopped rising at a low value."""
    returns = e.values("eval/normalized_return")
    if len(returns) < 6 or e.samples < 2_000_000 or returns[-1] > 0.7:
        return None
    before, after = max(returns[: len(returns) // 2]), max(returns[len(returns) // 2 :])
    if after > 1.15 * before:
        return None
    return Finding(
        "exploration",
        f"The run has stopped getting better: .{round(1000 * before):03d} at best in the first half of the run, "
        f".{round(1000 * after):03d} in the second.",
        (
            "another seed: --seed 1",
            f"more samples per update: --num-envs {2 * e.config.num_envs}",
            f"wider noise at the start: --set {e.section}.rollout.std_start=0.15",
        ),
        0.4,
    )


RULES: tuple[Rule, ...] = (
    body_rules.simulation_breaks,
    learning_rules.weights_are_concentrated,
    learning_rules.weights_are_at_the_cap,
    learning_rules.weights_are_equal,
    learning_rules.critic_is_blind,
    learning_rules.horizon_is_odd,
    learning_rules.noise_is_wide,
    learning_rules.noise_is_narrow,
    learning_rules.steps_overshoot,
    learning_rules.steps_vanish,
    learning_rules.updates_are_skipped,
    learning_rules.reward_is_dead,
    body_rules.clip_touches_the_ground,
    body_rules.clip_sinks,
    body_rules.clip_asks_too_much,
    body_rules.clip_hovers,
    body_rules.motors_are_weak,
    run_is_short,
    run_has_stalled,
)


def findings(e: Evidence) -> list[Finding]:
    """Return the findings of all rules, the most certain first."""
    found = [finding for rule in RULES if (finding := rule(e)) is not None]
    return sorted(found, key=lambda finding: -finding.certainty)
