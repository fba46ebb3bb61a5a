"""Rules about the simulation, the clip and the motors."""

from mimic.analysis.evidence import Evidence
from mimic.analysis.finding import Finding
from mimic.evaluation.feet import label

_ENDS = ("fail", "timeout", "clip_end", "diverged")


def simulation_breaks(e: Evidence) -> Finding | None:
    """Find the fault that episodes diverge: positions become NaN, or speeds impossibly high."""
    broken, ends = (sum(sum(e.values(f"ends/{end}")) for end in kinds) for kinds in (("diverged",), _ENDS))
    if not ends or broken / ends < 0.01:
        return None
    return Finding(
        "simulation",
        f"The simulation itself breaks: {100 * broken / ends:.0f} % of the episodes end in numbers that are not finite, or "
        "in speeds above 100 m/s. The other episodes are too short to learn the movement from.",
        (
            "smaller physics steps: simulation.sim_dt and substeps in the character's YAML",
            "less stiff motors: kp and kd there, or --set env.action.ball_scale=0.5",
            "less noise: --set " + e.section + ".rollout.std_start=0.1",
        ),
        min(1.0, 0.5 + 5 * broken / ends),
    )


def clip_touches_the_ground(e: Evidence) -> Finding | None:
    """Find the fault that the clip touches the ground with a forbidden body."""
    if not e.clip.forbidden:
        return None
    body, share = max(e.clip.forbidden.items(), key=lambda item: item[1])
    return Finding(
        "clip",
        f"The clip itself touches the ground with the {label(body, e.character)} ({100 * share:.0f} % of its time), which counts as a "
        "fall. A policy that performs the clip well therefore fails.",
        (
            f"allow it: a line for the clip in mimic/tracking/clip_rules.yaml, allowed_contacts: [{body}]",
            "or raise it in the clip",
        ),
        min(0.95, 0.5 + 5 * share),
    )


def clip_sinks(e: Evidence) -> Finding | None:
    """Find the fault that the clip goes below the ground and is not lifted."""
    if e.clip.sinks_m < 0.03 or e.config.task.env.lift_penetration or e.config.task.env.repair:
        return None
    return Finding(
        "clip",
        f"The clip sinks {100 * e.clip.sinks_m:.0f} cm into the ground and is not lifted. The ground throws "
        "episodes that start there into the air.",
        ("--set env.lift_penetration=true",),
        0.9,
    )


def clip_asks_too_much(e: Evidence) -> Finding | None:
    """Find the fault that the clip needs more torque than the character's motors have."""
    joint, (share, peak, when) = max(e.clip.torque.items(), key=lambda item: item[1][0])
    if share < 0.15:
        return None
    return Finding(
        "clip",
        f"The clip needs more torque than the motors have. By a rough estimate the {label(joint, e.character)} needs up to "
        f"{peak:.1f} times its limit (at {when:.2f} s), and exceeds the limit {100 * share:.0f} % of the time.",
        (
            "a slower or smoother clip; a clip of a performer of this size and weight",
            f"a stronger joint: torque_limit of {joint} in the character's YAML",
        ),
        min(0.9, 2 * share),
    )


def clip_hovers(e: Evidence) -> Finding | None:
    """Find the fault that the clip stays in the air without falling."""
    if e.clip.hovers_share < 0.2:
        return None
    return Finding(
        "clip",
        f"The clip hovers: {100 * e.clip.hovers_share:.0f} % of the time no part is within 6 cm of the ground, and the "
        "character does not fall. No controller can follow that.",
        ("lower the clip to the ground where it stands; check its scale and frame rate",),
        min(0.8, e.clip.hovers_share),
    )


def motors_are_weak(e: Evidence) -> Finding | None:
    """Find the fault that a joint is at its torque limit most of the time."""
    if not e.trial or e.trial.falls is None:
        return None
    joints = e.trial.report.metrics["torque_by_joint"]
    worst = max(joints, key=lambda name: joints[name].at_limit)
    if joints[worst].at_limit < 0.7:
        return None
    return Finding(
        "motors",
        f"The motor of the {label(worst, e.character)} is at its limit {100 * joints[worst].at_limit:.0f} % of the time, so that it has "
        "no torque left to balance with.",
        ("a higher torque_limit in the character's YAML, or a lighter movement",),
        0.5,
    )
