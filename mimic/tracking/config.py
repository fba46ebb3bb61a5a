"""Settings of the tracking environment, read from a preset's YAML; every key is checked."""

from dataclasses import dataclass, field
from typing import Literal

from mimic.tracking.reward import RewardConfig


@dataclass(frozen=True)
class ActionConfig:
    """How an action becomes servo targets: ``pd_target = base + scale * action``.

    The action is the policy's output before it is scaled; its unit is called "policy units".

    With the mode ``reference``, base is the reference's joint pose ``lead_s`` [s] ahead, because the servo lags by kd/kp.
    The scale is ``ball_scale`` [rad] for all joints.

    With the mode ``absolute`` (DeepMimic), base is the zero pose and the scale is ``ball_scale`` [rad]. For a hinge with
    a range, base is the middle of the range, and the scale is ``hinge_range_scale`` times the range.

    The learner penalises a policy mean beyond ``bound`` (in policy units; ``hinge_bound`` for hinges, if given). Nothing
    clips the action.
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
            raise ValueError(
                "lead_s must be 0 or above; scales and bounds must be above 0; "
                f"found lead_s {self.lead_s}, ball_scale {self.ball_scale}, hinge_range_scale {self.hinge_range_scale}, "
                f"bound {self.bound}, hinge_bound {self.hinge_bound}"
            )


@dataclass(frozen=True)
class ObservationConfig:
    """The named fields of the observation (mimic/tracking/observation.py), and the frame in which they are expressed.

    Every frame is the world turned about z. The frame ``reference`` is turned by the angle at which the current cycle of
    the clip is placed in the world. The frame ``heading`` is turned to the simulated root's heading (DeepMimic). The frame ``reference_heading`` is turned to
    the reference's heading, smoothed over time, and so does not depend on a clip's axes.

    ``target_steps``: how many control steps ahead each future reference pose is. With ``clip_id`` and several clips, the
    observation ends with the current clip, one-hot.
    """

    fields: tuple[str, ...]
    frame: Literal["reference", "heading", "reference_heading"] = "reference"
    target_steps: tuple[int, ...] = (1,)
    clip_id: bool = True

    def __post_init__(self) -> None:
        targets = [name for name in self.fields if name.startswith("target_")]
        if (targets and not self.target_steps) or min(self.target_steps, default=0) < 0:
            raise ValueError(
                f"target_steps must list one or more numbers of control steps, each 0 or above; found {[*self.target_steps]}"
            )


@dataclass(frozen=True)
class TerminationConfig:
    """When an episode fails: by forbidden ground contact, and in training also by two limits.

    Attributes:
        contact_height: a body touches the ground if its lowest point is below this height [m].
        root_tilt: largest angle [rad] between the simulated and the reference root, in training only; null: no limit.
        body_distance: largest distance [m] of a body from its reference, in training only; null: no limit.
    """

    contact_height: float = 0.001
    root_tilt: float | None = None
    body_distance: float | None = None

    def __post_init__(self) -> None:
        if any(limit is not None and limit <= 0.0 for limit in (self.root_tilt, self.body_distance)):
            raise ValueError(
                "root_tilt and body_distance must be above 0, or null for no such limit; "
                f"found {self.root_tilt} and {self.body_distance}"
            )


@dataclass(frozen=True)
class TimeLimitConfig:
    """Longest training episode: start_s + (end_s - start_s) * min(1, samples / ramp_samples) ** power [s].

    ``samples`` is the number of control steps, summed over all environments, that the learner has seen.
    """

    start_s: float = 20.0
    end_s: float = 20.0
    ramp_samples: float = 32e6
    power: float = 4.0

    def __post_init__(self) -> None:
        if min(self.start_s, self.end_s, self.ramp_samples) <= 0.0 or self.power < 0.0:
            raise ValueError(
                "start_s, end_s and ramp_samples must be above 0; power must be 0 or above; "
                f"found {self.start_s}, {self.end_s}, {self.ramp_samples} and {self.power}"
            )


@dataclass(frozen=True)
class PushConfig:
    """Random pushes in training (mimic/tracking/pushes.py).

    A push changes the character's velocity by up to ``speed`` [m/s]; 0 means no pushes. The mean time between two pushes
    is ``every_s`` [s].
    """

    speed: float = 0.0
    every_s: float = 2.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.speed <= 10.0:
            raise ValueError(f"speed must be from 0 (no pushes) to 10 m/s, found {self.speed}")
        if self.every_s <= 0.0:
            raise ValueError(f"every_s must be above 0, found {self.every_s}")


@dataclass(frozen=True)
class CommandConfig:
    """Random commands in training, which the motion graph turns into a reference (mimic/motion_graph).

    A character gets a command once in ``every_s`` [s] on average. A share ``steer`` of the commands steers, at a random
    speed and a yaw rate up to ``turning`` [rad/s]. The others play a random one of ``clips`` (none named: of all), a share
    ``once`` of them for one cycle. A share ``jumps`` of the episodes begins with such a command, shortly before the
    reference leaves its clip; with ``played_by``, in a state that this controller reached there.
    """

    every_s: float = 2.5
    steer: float = 0.25
    once: float = 0.5
    turning: float = 1.5
    clips: tuple[str, ...] = ()
    jumps: float = 0.0
    played_by: str = ""

    def __post_init__(self) -> None:
        if self.every_s <= 0.0 or self.turning < 0.0:
            raise ValueError(
                f"every_s must be above 0, turning 0 or above; found {self.every_s:g} and {self.turning:g}"
            )
        for name in ("steer", "once", "jumps"):
            if not 0.0 <= (share := getattr(self, name)) <= 1.0:
                raise ValueError(f"{name} must be a share from 0 to 1, found {share:g}")


@dataclass(frozen=True)
class EnvConfig:
    """Settings of the tracking task. An evaluation's episode lasts ``evaluation_s`` [s] and fails by contact only.

    ``reward`` is the reward of evaluations, and of training unless ``training_reward`` is given.

    ``change_clips``: whether another of several clips may follow at the end of a cycle. If not, an episode keeps its
    clip, and each clip has its own rules.

    ``adaptive_starts``: share of training episodes whose start phase is drawn by failure rate (mimic/tracking/adaptive_sampling.py).

    ``commands``: in training, the clips are those of a motion graph that follows random commands.

    ``lift_penetration`` lifts a clip in which bodies are below the ground. ``repair`` lifts the clip too, and also
    corrects sliding feet and loops that do not close (retarget/repair.py).
    """

    observation: ObservationConfig
    reward: RewardConfig
    training_reward: RewardConfig | None = None
    action: ActionConfig = field(default_factory=ActionConfig)
    termination: TerminationConfig = field(default_factory=TerminationConfig)
    time_limit: TimeLimitConfig = field(default_factory=TimeLimitConfig)
    pushes: PushConfig = field(default_factory=PushConfig)
    commands: CommandConfig | None = None
    change_clips: bool = True
    adaptive_starts: float = 0.0
    evaluation_s: float = 20.0
    lift_penetration: bool = True
    repair: bool = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.adaptive_starts <= 1.0:
            raise ValueError(f"adaptive_starts must be a share from 0 to 1, found {self.adaptive_starts}")
        if self.evaluation_s <= 0.0:
            raise ValueError(f"evaluation_s must be above 0, found {self.evaluation_s}")
