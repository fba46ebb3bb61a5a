"""Rules about the learner: weights, critic, exploration, step size, reward."""

import math

from mimic.analysis.evidence import Evidence, RunEvidence
from mimic.analysis.finding import Finding
from mimic.tracking.reward import TrackingTerm


def weights_are_concentrated(e: RunEvidence) -> Finding | None:
    """Find the fault that few samples have nearly all of the weight in an update."""
    share = e.recent("ess")
    if share is None or share >= 0.1:
        return None
    temperature = getattr(e.update, "temperature", math.nan)
    return Finding(
        "weights",
        f"Almost all samples are wasted: the effective sample share of the weights is {100 * share:.2g} % (80 % is usual). "
        f"The policy copies a few lucky moments. Temperature is {temperature:g}; the preset has "
        f"{e.usual('update.temperature'):g}.",
        (
            f"a higher temperature: --set {e.section}.update.temperature=2",
            f"a lower cap on weights: --set {e.section}.update.weight_clip=20",
        ),
        0.95 if share < 0.03 else 0.6,
    )


def weights_are_at_the_cap(e: RunEvidence) -> Finding | None:
    """Find the fault that many samples' weights are at the largest allowed value, and the others near zero."""
    capped = e.recent("weight_clipped")
    if capped is None or capped < 0.15:
        return None
    temperature, cap = getattr(e.update, "temperature", math.nan), getattr(e.update, "weight_clip", math.nan)
    return Finding(
        "weights",
        f"The weights are saturated: {100 * capped:.0f} % of the samples are at the cap of {cap:g}, so that good and very "
        f"good samples have the same weight, and the others none. Temperature is {temperature:g}; the preset has "
        f"{e.usual('update.temperature'):g}.",
        (f"a higher temperature: --set {e.section}.update.temperature=2",),
        0.95 if capped > 0.3 else 0.6,
    )


def weights_are_equal(e: RunEvidence) -> Finding | None:
    """Find the fault that all samples have nearly the same weight in an update."""
    share = e.recent("ess")
    if share is None or share <= 0.995:
        return None
    return Finding(
        "weights",
        f"Good and bad samples have equal weights ({100 * share:.1f} % effective sample share; 80 % is usual), so that the "
        "policy learns to do what it already does.",
        (f"a lower temperature: --set {e.section}.update.temperature=2",),
        0.9,
    )


def critic_is_blind(e: RunEvidence) -> Finding | None:
    """Find the fault that the critic does not predict returns, so that advantages are noise.

    Early in a run this is normal.
    """
    explained = e.recent("explained_variance")
    lr, usual = e.update.critic_lr, e.usual("update.critic_lr")
    slow = lr < 0.01 * usual
    if explained is None or explained >= 0.3 or (e.samples < 200_000 and not slow):
        return None
    why = f"Its step size (critic_lr {lr:g}; the preset has {usual:g}) is too small to move it. " if slow else ""
    return Finding(
        "critic",
        f"The critic does not predict returns: it explains {100 * max(explained, 0.0):.0f} % of their variance (90 % is "
        f"usual). {why}The advantages are therefore noise.",
        (
            f"--set {e.section}.update.critic_lr={usual:g}"
            if slow
            else f"more passes: --set {e.section}.update.critic_passes={2 * max(1, e.update.critic_passes)}",
            "check the observation: it must contain everything that decides the return",
        ),
        0.95 if slow else 0.6,
    )


def horizon_is_odd(e: Evidence) -> Finding | None:
    """Find the fault that the discount factor gives a horizon that is too short or too long."""
    horizon = _control_dt(e) / (1.0 - e.update.gamma)
    if 0.2 <= horizon <= 10.0:
        return None
    short = horizon < 0.2
    how = "so that a later fall costs nothing" if short else "which is longer than returns can be predicted"
    return Finding(
        "critic",
        f"The policy plans {horizon:.2g} s ahead (gamma {e.update.gamma:g}), {how}. Half a second to three seconds are "
        "usual.",
        (f"--set {e.section}.update.gamma=0.95",),
        0.9,
    )


def noise_is_wide(e: Evidence) -> Finding | None:
    """Find the fault that exploration noise is so large that the character cannot hold a pose."""
    noise = _noise_rad(e)
    if noise is None or not _too_wide(e):
        return None
    return Finding(
        "exploration",
        f"Exploration is too wide: noise of {math.degrees(noise):.0f}° on every motor at every step (6° is usual). No "
        f"movement survives it{_trained_s(e)}.",
        (f"--set {e.section}.rollout.std_start=0.1 --set {e.section}.rollout.std_end=0.1",),
        0.95 if noise > 0.7 else 0.6,
    )


def noise_is_narrow(e: Evidence) -> Finding | None:
    """Find the fault that exploration noise is so small that the policy tries no new actions."""
    noise = _noise_rad(e)
    if noise is None or noise >= 0.01:
        return None
    return Finding(
        "exploration",
        f"The policy tries no new actions: noise of {math.degrees(noise):.2g}° on the motors (6° is usual).",
        (f"--set {e.section}.rollout.std_start=0.1",),
        0.8,
    )


def steps_overshoot(e: RunEvidence) -> Finding | None:
    """Find the fault that each update changes the policy too much."""
    kl, lr, update = e.recent("kl"), e.recent("actor_lr"), e.update
    pinned = bool(update.target_kl) and lr is not None and lr <= 1.01 * update.lr_min
    if kl is None or (kl <= 0.3 and not pinned):
        return None
    held = f", although its step size is at the lower bound ({lr:g})" if pinned else ""
    return Finding(
        "step size",
        f"Each update changes the policy too much (KL {kl:.2g}; .02 is usual){held}. It forgets more than it learns.",
        (
            f"smaller steps: --set {e.section}.update.actor_lr=1e-5, or a lower lr_min",
            f"let it adapt: --set {e.section}.update.target_kl=0.015",
        ),
        0.8,
    )


def steps_vanish(e: RunEvidence) -> Finding | None:
    """Find the fault that updates hardly change the policy."""
    kl, lr, update = e.recent("kl"), e.recent("actor_lr"), e.update
    at_top = bool(update.target_kl) and lr is not None and lr >= 0.99 * update.lr_max and update.lr_max > update.lr_min
    still = kl is not None and kl < (0.25 * update.target_kl or 1e-4)
    if _too_wide(e):  # wide noise alone makes the KL small
        return None
    if kl is None or not still or not (at_top or not update.target_kl or (lr is not None and lr < 1e-6)):
        return None
    bound = f" and its step size is at the upper bound ({lr:g})" if at_top else f" (actor_lr {lr:g})"
    return Finding(
        "step size",
        f"Updates hardly change the policy: KL {kl:.1g}; .02 is usual{bound}.",
        (
            f"--set {e.section}.update.actor_lr=1e-4 --set {e.section}.update.target_kl=0.015",
            f"a higher bound: --set {e.section}.update.lr_max=1e-2",
        ),
        0.7,
    )


def updates_are_skipped(e: RunEvidence) -> Finding | None:
    """Find the fault that updates were skipped because losses or gradients were not finite."""
    skipped = max(e.values("skipped_updates"), default=0.0)
    if not skipped:
        return None
    return Finding(
        "step size",
        f"{skipped:.0f} updates were skipped because their loss or gradient was not a finite number.",
        (f"--set {e.section}.update.max_grad_norm=1", "smaller actor_lr and critic_lr"),
        0.7,
    )


def reward_is_dead(e: Evidence) -> Finding | None:
    """Find the fault that a reward term is near zero during the whole run."""
    if _too_wide(e):
        return None
    terms = {n: t for n, t in e.config.task.env.reward.terms.items() if isinstance(t, TrackingTerm)}
    values = {name: e.recent(f"info/{name}") for name in terms}
    dead = [name for name, value in values.items() if value is not None and value < 0.02]
    if not dead:
        return None
    name = dead[0]
    return Finding(
        "reward",
        f"The reward term '{name}' is near zero ({values[name]:.3f} of 1). It is too strict: small improvements do not "
        "change it.",
        (f"a gentler scale: --set env.reward.terms.{name}.scale={terms[name].scale / 4:g}",),
        0.5,
    )


def _noise_rad(e: RunEvidence) -> float | None:
    """Return the standard deviation of the exploration noise on a ball joint's target [rad]; None if not in the log."""
    std = e.recent("std")
    return None if std is None or not isinstance(e, Evidence) else std * e.config.task.env.action.ball_scale


def _too_wide(e: RunEvidence) -> bool:
    noise = _noise_rad(e)
    return noise is not None and noise > 0.35


def _trained_s(e: Evidence) -> str:
    trained = e.recent("episode_length")
    if trained is None or e.trial is None:
        return ""
    untouched = e.trial.report.mean_time_s
    return f": episodes last {trained * _control_dt(e):.1f} s with it, {untouched:.1f} s without"


def _control_dt(e: Evidence) -> float:
    return e.character.simulation.control_dt
