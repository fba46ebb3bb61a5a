"""The description of a controller, ``controller.json``: its clip, character and task, and how it was trained."""

from dataclasses import dataclass, field, fields
from typing import Any

from mimic.core.errors import CheckpointError
from mimic.core.strict_config import build, to_dict
from mimic.tracking import EnvConfig

FORMAT = 1
_REQUIRED = ("format", "clip", "character", "env", "policy")


@dataclass(frozen=True)
class TrainingCost:
    """The cost of a policy's training: number of samples, and hours of simulating and learning."""

    samples: int
    hours: float


@dataclass(frozen=True)
class Ancestor:
    """The controller whose policy a run started from, or a teacher; ``samples`` and ``hours`` are all training behind it.

    Attributes:
        controller: name or path of the controller, as the user gave it.
        policy_sha256: hash of the policy's file.
        samples, hours: cost of all training of that policy, earlier runs included; see :class:`TrainingCost`.
        clip_license: licence of the clips on which the policy was trained.
        extra: keys that a newer version of mimic wrote.
    """

    controller: str
    policy_sha256: str
    samples: int
    hours: float
    clip_license: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingRecord:
    """The training run of a packaged controller.

    Attributes:
        samples, hours: cost of this run alone; see :class:`TrainingCost`.
        machine: the machine on which the controller was packaged, in words.
        extra: settings of the run (seed, num_envs, policy, rollout, update), and keys that a newer version wrote.
    """

    samples: int
    hours: float
    machine: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Convert the record to a dictionary in alphabetical order; each item of ``extra`` is a key beside the others."""
        return dict(sorted(_flat(self).items()))


@dataclass(frozen=True)
class ControllerSpec:
    """The content of ``controller.json``. Optional keys that are None are not written.

    Attributes:
        clip: name or path of the clip; those of several clips are joined by ``+``.
        character: name of the character.
        env: settings of the task.
        policy: sizes and settings of the networks, see ``Policy.describe``; empty until there is a policy.
        algorithm: name of the algorithm.
        seed: seed of the run.
        clip_license: licence of the clip, and of the controller from which the run started.
        begun_with: the controller from which the run started.
        teachers: teachers of a distilled controller, one for each clip, in the same order.
        training: the run of a packaged controller; else None.
        evaluation: of a packaged controller, as ``EvaluationReport.to_json`` gave it in the version that wrote it, or
            ``LibraryEvaluation.to_json`` for a library.
        extra: keys that a newer version wrote; they are kept when the controller is packaged or exported. A version
            that changes the meaning of a key changes ``format``, and is refused.
    """

    clip: str
    character: str
    env: EnvConfig
    policy: dict[str, Any] = field(default_factory=dict)
    algorithm: str | None = None
    seed: int | None = None
    clip_license: str | None = None
    begun_with: Ancestor | None = None
    teachers: tuple[Ancestor, ...] | None = None
    training: TrainingRecord | None = None
    evaluation: dict[str, Any] | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Convert the description to the content of ``controller.json``."""
        found = {"format": FORMAT, **_flat(self), "env": to_dict(self.env)}
        if not self.policy:
            del found["policy"]
        for name in ("begun_with", "training"):
            if (part := getattr(self, name)) is not None:
                found[name] = _flat(part)
        if self.teachers is not None:
            found["teachers"] = [_flat(teacher) for teacher in self.teachers]
        return found

    @classmethod
    def from_json(cls, data: dict[str, Any], where: str) -> "ControllerSpec":
        """Read ``controller.json`` of this or an older version; ``where`` names the controller in errors.

        Raises:
            CheckpointError: a required key is missing, or ``format`` has another value.
            ConfigError: a value has the wrong type, or the task has an unknown key.
        """
        missing = set(_REQUIRED) - set(data)
        if missing:
            raise CheckpointError(f"{where}: the keys {', '.join(sorted(missing))} are missing")
        if data["format"] != FORMAT:
            raise CheckpointError(
                f"{where}: format {data['format']}, this program reads {FORMAT}; another version of mimic wrote it"
            )
        content = {key: value for key, value in data.items() if key != "format"}
        for name, part in (("begun_with", Ancestor), ("training", TrainingRecord)):
            content[name] = _with_extra(part, content.get(name))
        if isinstance(teachers := content.get("teachers"), list):
            content["teachers"] = [_with_extra(Ancestor, teacher) for teacher in teachers]
        return build(cls, _with_extra(cls, content), f"{where}: controller")


def _with_extra(cls: type[Any], data: Any) -> Any:
    """Move the keys of ``data`` that are not fields of ``cls`` into ``extra``."""
    if not isinstance(data, dict):
        return data
    names = {f.name for f in fields(cls)} - {"extra"}
    known = {key: value for key, value in data.items() if key in names}
    return {**known, "extra": {key: value for key, value in data.items() if key not in names}}


def _flat(value: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that are not None, and the items of its ``extra``, as one dictionary."""
    found = {f.name: getattr(value, f.name) for f in fields(value) if f.name != "extra"}
    return {**{key: item for key, item in found.items() if item is not None}, **value.extra}
