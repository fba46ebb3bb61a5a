"""Settings of the tracking environment; the YAML of a preset fills them in, every key checked."""

from dataclasses import dataclass, field
from typing import Literal

from mimic.tracking.reward import RewardConfig


@dataclass(frozen=True)
class ActionConfig:
    """How an action becomes servo targets: ``pd_target = base + scale * action``.

    ``reference``: base is the reference's joint pose ``lead_s`` ahead (the servo lags by kd/kp), scale ``ball_scale``
    everywhere. ``absolute`` (DeepMimic): base is the zero pose, or the middle of a hinge's range; scale is
    ``ball_scale`` [rad], or ``hinge_range_scale`` times a hinge's range. A policy mean beyond ``bound`` (in action
    units; ``hinge_bound`` for hinges, if given) is penalised by the learner, not clipped.
    """

    mode: Literal["reference", "absolute"] = "reference"
    lead_s: float = 1 / 12
    ball_scale: float = 1.0
    hinge_range_scale: float = 2.0
    bound: float = 1.5
    hinge_bound: float | None = None

    def __post_init__(self) -> None:
        positive = (self.ball_scale, self.hinge_range_scale, self.bound, self.hinge_bound)
        if self.lead_s < 0.0 or any(value is not None and value <= 0.0 for value in positive):
            raise ValueError("lead_s must not be negative, scales and bounds must be above 0")


@dataclass(frozen=True)
class ObservationConfig:
    """Which named fields are observed (mimic/tracking/observation.py), in which frame, and how many control steps ahead.

    The ``reference`` frame is the world turned with the reference's clip. The ``heading`` frame turns with the simulated root
    (DeepMimic). The ``reference_heading`` frame turns to the reference's heading, smoothed over time, so that it does not
    depend on a clip's axes. With ``clip_id`` and several clips, the observation ends with the current clip, one-hot.
    """

    fields: tuple[str, ...]
    frame: Literal["reference", "heading", "reference_heading"] = "reference"
    target_steps: tuple[int, ...] = (1,)
    clip_id: bool = True

    def __post_init__(self) -> None:
        targets = [name for name in self.fields if name.startswith("target_")]
        if (targets and not self.target_steps) or min(self.target_steps, default=0) < 0:
            raise ValueError("target_steps are one or more numbers of control steps from now, 0 or more")


@dataclass(frozen=True)
class TerminationConfig:
    """When an episode fails: by forbidden contact, and in training also by two limits.

    ``contact_height``: a forbidden body whose lowest point is below this has touched the ground [m].
    ``root_tilt`` [rad], ``body_distance`` [m]: largest error against the reference, in training only; null is off.
    """

    contact_height: float = 0.001
    root_tilt: float | None = None
    body_distance: float | None = None

    def __post_init__(self) -> None:
        if any(limit is not None and limit <= 0.0 for limit in (self.root_tilt, self.body_distance)):
            raise ValueError("root_tilt and body_distance must be above 0, or null for no such limit")


@dataclass(frozen=True)
class TimeLimitConfig:
    """Training episodes last start_s + (end_s - start_s) * min(1, samples / ramp_samples) ** power seconds."""

    start_s: float = 20.0
    end_s: float = 20.0
    ramp_samples: float = 32e6
    power: float = 4.0

    def __post_init__(self) -> None:
        if min(self.start_s, self.end_s, self.ramp_samples) <= 0.0 or self.power < 0.0:
            raise ValueError("start_s, end_s and ramp_samples must be above 0, power must not be negative")


@dataclass(frozen=True)
class PushConfig:
    """Pushes in training (mimic/tracking/pushes.py): changes of velocity up to ``speed`` [m/s], every ``every_s`` [s] on average.

    A speed of 0 means no pushes.
    """

    speed: float = 0.0
    every_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.speed <= 10.0:
            raise ValueError("speed must be from 0 (no pushes) to 10 m/s")
        if self.every_s <= 0.0:
            raise ValueError("every_s must be above 0")


@dataclass(frozen=True)
class EnvConfig:
    """The tracking task; evaluation uses ``evaluation_s`` and failure by contact only.

    ``reward`` is the reward of evaluations, and of training unless ``training_reward`` is given.

    ``change_clips``: whether, of several clips, another may follow at the end of a cycle. If not, an episode keeps its
    clip, and each clip has its own rules.

    ``adaptive_starts``: share of training episodes whose start phase is drawn by failure rate (mimic/tracking/adaptive_sampling.py).

    ``lift_penetration`` lifts the clip out of the ground. ``repair`` does so too, and repairs feet that slide and loops
    that do not close (retarget/repair.py).
    """

    observation: ObservationConfig
    reward: RewardConfig
    training_reward: RewardConfig | None = None
    action: ActionConfig = field(default_factory=ActionConfig)
    termination: TerminationConfig = field(default_factory=TerminationConfig)
    time_limit: TimeLimitConfig = field(default_factory=TimeLimitConfig)
    pushes: PushConfig = field(default_factory=PushConfig)
    change_clips: bool = True
    adaptive_starts: float = 0.0
    evaluation_s: float = 20.0
    lift_penetration: bool = True
    repair: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.adaptive_starts <= 1.0:
            raise ValueError("adaptive_starts is a share, from 0 to 1")
        if self.evaluation_s <= 0.0:
            raise ValueError("evaluation_s must be above 0")
