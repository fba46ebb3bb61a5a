"""The diagnosis of a run, as JSON and as text for animators."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from characters import Character
from mimic.analysis.evidence import Evidence, changed_settings
from mimic.analysis.falls import BEFORE_S, Falls
from mimic.analysis.finding import Finding
from mimic.analysis.rules import findings
from mimic.evaluation.feet import label
from mimic.evaluation.report import EvaluationReport
from mimic.tracking.reward import term_label


@dataclass(frozen=True)
class Diagnosis:
    """The faults of a run, the most certain first, and the evidence."""

    evidence: Evidence
    findings: list[Finding]

    def to_json(self) -> dict[str, Any]:
        """Return the diagnosis as dictionaries, lists, texts and numbers, ready for JSON."""
        e, trial = self.evidence, self.evidence.trial
        keys = ("explained_variance", "ess", "kl", "std", "actor_lr", "critic_lr", "episode_length", "episode_return")
        return {
            "run": str(e.run),
            "clip": e.config.task.title,
            "algorithm": e.config.algorithm.name,
            "seed": e.config.seed,
            "samples": e.samples,
            "findings": [asdict(finding) for finding in self.findings],
            "falls": asdict(trial.falls) if trial and trial.falls else None,
            "trial": trial.report.to_json() if trial else None,
            "log": {key: e.recent(key) for key in keys},
            "changed_settings": {key: list(pair) for key, pair in changed_settings(e.config).items()},
            "clip_check": asdict(e.clip),
            "notes": e.notes,
        }

    def text(self) -> str:
        """Return the diagnosis as text for a terminal, several lines."""
        parts = [_headline(self.evidence), *self.evidence.notes]
        trial = self.evidence.trial
        if trial:
            parts += [
                "",
                "WHERE IT FALLS",
                *(_falls(trial.falls, trial.report, self.evidence.character) if trial.falls else ["It did not fall."]),
            ]
        parts += ["", "WHAT IS AT FAULT"]
        parts += [line for n, finding in enumerate(self.findings, 1) for line in finding.lines(n)]
        if not self.findings:
            parts.append("Nothing in the log, the settings or the clip speaks for a fault.")
        changed = changed_settings(self.evidence.config)
        if changed:
            shown = [f"{key} = {here} (fast: {there})" for key, (here, there) in list(changed.items())[:12]]
            parts += ["", "SETTINGS THAT DIFFER FROM THE PRESET fast", *shown]
        return "\n".join(parts)


def diagnose(evidence: Evidence) -> Diagnosis:
    """Apply all rules to the evidence, and return the faults found."""
    return Diagnosis(evidence, findings(evidence))


def _headline(e: Evidence) -> str:
    head = f"{e.run}: '{e.config.task.title}' by {e.config.algorithm.name.upper()}, seed {e.config.seed}, {e.samples / 1e6:.2g} M samples."
    if not e.trial:
        return head
    report = e.trial.report
    mean = report.normalized_return.mean
    verdict = "It has learned." if mean > 0.7 else "It is on its way." if mean > 0.3 else "It has not learned."
    return (
        f"{head}\n{verdict} Normalised return {mean:.2f} of 1 over {report.episode_s:g} s, up for {report.mean_time_s:.1f} s on average, "
        f"{100 * report.survival:.0f} % of {report.episodes} starts still up at the end."
    )


def _falls(falls: Falls, report: EvaluationReport, character: Character) -> list[str]:
    begin, end = falls.window
    lines = [
        f"{falls.falls} of {report.episodes} starts fall, most readily between {begin:.2f} and {end:.2f} s of the clip "
        f"({100 * falls.window_share:.0f} % of the falls there).",
    ]
    touched, share = next(iter(falls.touched.items()))
    if touched != "nothing":
        lines.append(f"The {label(touched, character)} hits the ground first ({100 * share:.0f} % of the falls).")
    lines += _pose_before(falls, character)
    lost = [f"{term_label(name)} {value:.2f}" for name, value in list(falls.lost.items())[:3]]
    lines.append(f"The last half second loses this part of the reward, which is 1 in all: {', '.join(lost)}.")
    return lines


def _pose_before(falls: Falls, character: Character) -> list[str]:
    """Describe the errors of root and limbs shortly before the falls, and whether pose or balance was lost first."""
    limbs = [(name, off) for name, off in falls.limbs_off_m.items() if off > 0.02][:3]
    low = falls.root_low_m
    height = f", {100 * abs(low):.0f} cm too {'low' if low > 0 else 'high'}" if abs(low) > 0.02 else ""
    lines = [
        f"{BEFORE_S:g} s before, the root is {100 * falls.root_off_m:.0f} cm from its place{height}, and turned wrongly by "
        f"{math.degrees(falls.tilt_rad):.0f}°{_direction(falls.tilt_to)}."
    ]
    if limbs:
        listing = ", ".join(f"{label(name, character)} {100 * off:.0f} cm" for name, off in limbs)
        lines.append(f"Relative to the root, these are farthest from their places: {listing}.")
    limb = limbs[0][1] if limbs else 0.0
    if falls.tilt_rad > 0.35 and limb < 0.15:
        lines.append("So the limbs follow the clip, and balance is lost.")
    elif limb >= 0.25 and falls.tilt_rad < 0.35:
        lines.append("So the pose is lost before the balance.")
    return lines


def _direction(tilt_to: tuple[float, float, float]) -> str:
    """Describe the main direction of the mean tilt (forward, right, left turn) [rad] as the end of a sentence."""
    forward, right, left_turn = tilt_to
    words = [
        "forward" if forward > 0 else "backward",
        "to the right" if right > 0 else "to the left",
        "about the vertical, to the left" if left_turn > 0 else "about the vertical, to the right",
    ]
    sizes = [abs(x) for x in tilt_to]
    most = sizes.index(max(sizes))
    return f", mostly {words[most]}" if sizes[most] > math.radians(5) else ", in no one direction"
