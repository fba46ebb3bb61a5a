"""The settings of a distillation, and ``config.json`` in the folder of its run."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from mimic.core.errors import CheckpointError, InputError
from mimic.core.files import write_json
from mimic.core.strict_config import build, to_dict
from mimic.rl.cloning import CloningConfig
from mimic.rl.policy import PolicyConfig
from mimic.runs.controller import CONFIG_FILE

_ENVS_PER_CLIP, _FEWEST_ENVS = 32, 256


@dataclass(frozen=True)
class DistillConfig:
    """The settings of a distillation, without its teachers.

    In round 0 the teachers act alone for ``first_steps`` control steps. ``rounds`` follow, of ``steps`` control steps and
    ``updates`` minibatches each. ``capacity`` demonstrations are kept. The share of environments in which a teacher acts
    falls from 1 to ``teacher_share`` in ``teacher_rounds``. Every ``save_rounds`` there is a checkpoint. ``learn_threads``
    0 means as many as suit the machine.
    """

    seed: int = 0
    num_envs: int = 640
    first_steps: int = 48
    rounds: int = 1000
    steps: int = 12
    updates: int = 70
    capacity: int = 1_500_000
    teacher_rounds: int = 40
    teacher_share: float = 0.1
    save_rounds: int = 30
    learn_threads: int = 0
    cloning: CloningConfig = field(default_factory=CloningConfig)
    policy: PolicyConfig = field(default_factory=lambda: PolicyConfig(actor_sizes=(512, 512), obs_std_floor=0.02))

    def __post_init__(self) -> None:
        counts = (
            self.num_envs,
            self.first_steps,
            self.rounds,
            self.steps,
            self.updates,
            self.capacity,
            self.save_rounds,
        )
        if min(counts) < 1:
            raise ValueError(
                "num_envs, first_steps, rounds, steps, updates, capacity and save_rounds must be at least 1"
            )
        if not 0.0 <= self.teacher_share <= 1.0:
            raise ValueError(f"teacher_share must be from 0 to 1, found {self.teacher_share:g}")

    @classmethod
    def for_clips(cls, count: int, seed: int = 0) -> "DistillConfig":
        """Return settings for ``count`` clips: 32 environments a clip, 256 at least, and minibatches in proportion."""
        envs = max(_FEWEST_ENVS, _ENVS_PER_CLIP * count)
        return cls(seed=seed, num_envs=envs, updates=max(1, cls.updates * envs // cls.num_envs))

    @property
    def samples(self) -> int:
        """Control steps of all environments in the whole distillation."""
        return self.num_envs * (self.first_steps + self.rounds * self.steps)

    def with_samples(self, samples: int) -> "DistillConfig":
        """Return a copy with the number of rounds that gives at least ``samples`` samples."""
        left = samples - self.num_envs * self.first_steps
        return replace(self, rounds=max(1, -(-left // (self.num_envs * self.steps))))


@dataclass(frozen=True)
class DistillRun:
    """The content of ``config.json``.

    Attributes:
        clip: the clips, joined by ``+``.
        teachers: folders of the controllers that teach them, in the same order.
        distill: the settings.
        minutes: length of the distillation [min], if the number of rounds is still to be chosen by it; else 0.
    """

    clip: str
    teachers: tuple[str, ...]
    distill: DistillConfig
    minutes: float = 0.0

    def write(self, out: Path) -> None:
        """Write ``config.json`` to the run's folder ``out``."""
        write_json(out / CONFIG_FILE, to_dict(self))


def is_distillation(run: Path) -> bool:
    """Whether a run's folder is that of a distillation; false for a folder that cannot be read."""
    try:
        return "distill" in json.loads((run / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False


def read_distillation(out: Path) -> DistillRun:
    """Read the distillation in the folder ``out``. Raises InputError if there is none, CheckpointError or ConfigError if it is damaged."""
    path = out / CONFIG_FILE
    if not path.exists():
        raise InputError(f"{out}: not the folder of a distillation; `distill` without --resume begins one")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a run that can be resumed ({error})") from None
    if not isinstance(data, dict) or "distill" not in data:
        raise InputError(
            f"{out}: holds a run of `train`; continue it by `train --resume`, or name the folder of a distillation"
        )
    return build(DistillRun, data, str(path))
