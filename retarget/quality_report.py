"""The quality report: says for each measure whether a motion is fit for training, and names a remedy if it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from characters.character import Character
from mocap.motion import Motion
from retarget.measures import Measures, measure
from retarget.targets import Targets

Verdict = Literal["pass", "warn", "fail"]

SPIKE = 250.0  # [m/s²] beyond which a recording of a body is broken: a hard landing has half of it
_JUMP_DEG = 30.0
OVERLOAD = 1.0
UNSUPPORTED = 0.5  # body weights


@dataclass(frozen=True)
class Threshold:
    """The limits of a measure: a value up to ``good`` passes, up to ``fair`` is a warning, and above fails.

    ``remedy`` tells the user how to correct the clip.
    """

    label: str
    unit: str
    good: float
    fair: float
    remedy: str


THRESHOLDS: dict[str, Threshold] = {
    "keypoint_error_mean": Threshold(
        "distance from the recording, mean",
        "cm",
        5.0,
        8.0,
        "--html draws which part is far off; give a --map if a joint is mistaken",
    ),
    "keypoint_error_p95": Threshold(
        "distance from the recording, 95 %",
        "cm",
        10.0,
        15.0,
        "cut away the part where the curve of --html peaks (--start, --end)",
    ),
    "foot_skate": Threshold(
        "feet sliding while they stand",
        "cm/s",
        3.0,
        8.0,
        "retarget it: standing feet are then held (--repair if it is on the character's own skeleton)",
    ),
    "penetration": Threshold(
        "depth below the ground",
        "mm",
        5.0,
        20.0,
        "none needed: training lifts the clip out of the ground when it loads it",
    ),
    "float": Threshold(
        "standing feet above the ground, mean",
        "mm",
        10.0,
        25.0,
        "check --unit and --up; a floor that is not level is told by this too",
    ),
    "limits": Threshold(
        "frames with a joint beyond its range", "%", 0.0, 1.0, "retarget it again: joints then keep to their ranges"
    ),
    "self_collision": Threshold(
        "frames with limbs through each other",
        "%",
        5.0,
        100.0,
        "harmless unless self-collision is simulated; else hold limbs further apart in the source",
    ),
    "spikes": Threshold(
        "frames with broken accelerations",
        "%",
        1.0,
        3.0,
        "smooth the source, or cut away a T-pose in its first frame (--start 0.1)",
    ),
    "jumps": Threshold(
        "joints that flip between frames", "frames", 0.0, 2.0, "cut there, or give a --map if a joint is mistaken"
    ),
    "seam_pose": Threshold("loop: pose across the seam", "deg", 5.0, 15.0, "close the loop: retarget it with --loop"),
    "seam_velocity": Threshold(
        "loop: velocity across the seam", "rad/s", 3.0, 8.0, "close the loop: retarget it with --loop"
    ),
    "torque": Threshold(
        "frames that need more torque than there is",
        "%",
        10.0,
        30.0,
        "slow it down (--speed 0.8), or expect the controller to fall short there",
    ),
    "unsupported": Threshold(
        "frames that nothing holds up",
        "%",
        15.0,
        40.0,
        "feet may float: check --unit; props and other people are not simulated",
    ),
}


@dataclass(frozen=True)
class Check:
    """One line of the report: a measure, its value and verdict, its threshold, and a remedy unless it passes."""

    name: str
    label: str
    value: float
    unit: str
    verdict: Verdict
    threshold: str
    remedy: str


@dataclass(frozen=True, eq=False)
class QualityReport:
    """A motion's quality report: its checks, the measures behind them, and notes in words.

    Attributes:
        mapping: the recording's joint of each role, by name; empty if nothing was mapped.
        root_motion: where the travel comes from: "keep" (the file), "from-feet" or "none".
    """

    motion: Motion
    character: Character
    measures: Measures
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    mapping: Mapping[str, str] = field(default_factory=dict)
    root_motion: str = "keep"

    @property
    def travel_m(self) -> float:
        """Horizontal distance of the root from the first frame to the last [m]."""
        root = self.motion.root_pos_w
        return float((root[-1] - root[0])[:2].norm())

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all checks."""
        found = {check.verdict for check in self.checks}
        return "fail" if "fail" in found else "warn" if "warn" in found else "pass"

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON; scripts rely on the names."""
        value = {check.name: check.value for check in self.checks}
        error = None
        if "keypoint_error_mean" in value:
            worst = max(float(e.max()) for e in self.measures.error.values())
            error = {
                "mean": value["keypoint_error_mean"],
                "p95": value["keypoint_error_p95"],
                "max": round(100 * worst, 2),
            }
        effort = self.measures.effort
        return {
            "clip": self.motion.name,
            "character": self.character.name,
            "frames": self.motion.num_frames,
            "fps": round(self.motion.fps, 3),
            "duration_s": round(self.motion.duration, 3),
            "loop": self.motion.loop,
            "keypoint_error_cm": error,
            "keypoint_error_by_role_cm": {r: round(100 * float(e.mean()), 2) for r, e in self.measures.error.items()},
            "foot_skate_cm_s": value["foot_skate"],
            "penetration_mm": value["penetration"],
            "float_mm": value["float"],
            "limit_violation_fraction": value["limits"] / 100,
            "self_collision_fraction": value["self_collision"] / 100,
            "acceleration_spike_fraction": value["spikes"] / 100,
            "joint_jumps": int(value["jumps"]),
            "torque_infeasible_fraction": value["torque"] / 100,
            "median_torque_load": round(float(effort.load.amax(1).median()), 3),
            "unsupported_fraction": value["unsupported"] / 100,
            "loop_seam": None if self.measures.seam is None else self.measures.seam.to_json(),
            "mapping": dict(self.mapping),
            "travel_m": round(self.travel_m, 4),
            "root_motion": self.root_motion,
            "verdict": self.verdict,
            "checks": [asdict(check) for check in self.checks],
            "notes": list(self.notes),
        }


def make_quality_report(
    motion: Motion, character: Character, targets: Targets | None = None, notes: Sequence[str] = ()
) -> QualityReport:
    """Measure a motion and make its report, which with ``targets`` includes the distance from the recording."""
    measures = measure(motion, character, targets)
    checks = [_judge(name, value) for name, value in _values(measures).items()]
    return QualityReport(motion, character, measures, tuple(checks), tuple(notes))


def _values(m: Measures) -> dict[str, float]:
    values: dict[str, float] = {}
    if m.error:
        error = 100 * torch.stack(list(m.error.values()), 1)
        values["keypoint_error_mean"] = float(error.mean())
        values["keypoint_error_p95"] = float(error.quantile(0.95)) if error.numel() < 1e7 else float(error.max())
    held = torch.cat([stance.held for stance in m.stances]) if m.stances else torch.zeros(1, dtype=torch.bool)
    standing = torch.cat([stance.flags for stance in m.stances]) if m.stances else held
    values["foot_skate"] = 100 * _mean(torch.cat([s.speed for s in m.stances])[held]) if held.any() else 0.0
    values["penetration"] = max(0.0, -1000 * float(m.lowest.min()))
    heights = torch.cat([s.height for s in m.stances])[standing] if standing.any() else torch.zeros(1)
    values["float"] = 1000 * _mean(heights.clamp_min(0.0))
    values["limits"] = _percent(m.limit_hits)
    values["self_collision"] = _percent(m.collisions)
    values["spikes"] = _percent(m.acceleration > SPIKE)
    values["jumps"] = float((m.jumps > _JUMP_DEG).sum())
    if m.seam is not None:
        seam = m.seam.to_json()
        values["seam_pose"], values["seam_velocity"] = seam["pose_deg"], seam["velocity_rad_s"]
    values["torque"] = _percent(m.effort.load.amax(1) > OVERLOAD)
    values["unsupported"] = _percent(m.effort.unsupported > UNSUPPORTED)
    return values


def _judge(name: str, value: float) -> Check:
    t = THRESHOLDS[name]
    value = round(value, 2)
    verdict: Verdict = "pass" if value <= t.good else "warn" if value <= t.fair else "fail"
    threshold = f"pass up to {t.good:g} {t.unit}, warning up to {t.fair:g}"
    return Check(name, t.label, value, t.unit, verdict, threshold, "" if verdict == "pass" else t.remedy)


def _mean(values: Tensor) -> float:
    return float(values.mean()) if values.numel() else 0.0


def _percent(flags: Tensor) -> float:
    return 100 * float(flags.double().mean()) if flags.numel() else 0.0
