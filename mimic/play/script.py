"""Scripts of a performance: commands with times, read from a YAML file.

seconds: 20
clip: walk                            # it begins in this clip; without the line it stands
commands:
  - {at: 0, steer: {speed: 1.3}}      # speed [m/s] and turn [rad/s], to the left
  - {at: 3, play: cartwheel, once: true}
  - {at: 9, push: {impulse: 60, direction: 90}}   # [N·s], [degrees] from ahead to the left
  - {at: 12, stop: true}
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from mimic.core.errors import ConfigError, nearest
from mimic.core.strict_config import build, read_yaml
from mocap.stance import STAND

LONGEST_S = 3600.0
_FASTEST, _QUICKEST, _HARDEST = 20.0, 10.0, 1000.0


@dataclass(frozen=True)
class Steer:
    """A speed [m/s] ahead and a yaw rate ``turn`` [rad/s], positive to the left."""

    speed: float
    turn: float = 0.0

    def __post_init__(self) -> None:
        _within("speed", self.speed, 0.0, _FASTEST, "m/s")
        _within("turn", self.turn, -_QUICKEST, _QUICKEST, "rad/s")


@dataclass(frozen=True)
class Push:
    """An ``impulse`` [N·s] that changes the velocity of all bodies, and its ``direction`` [degrees] from ahead to the left."""

    impulse: float
    direction: float = 0.0

    def __post_init__(self) -> None:
        _within("impulse", self.impulse, 0.0, _HARDEST, "N·s")
        _within("direction", self.direction, -360.0, 360.0, "degrees")


@dataclass(frozen=True)
class Command:
    """One command at the time ``at`` [s]: exactly one of play, steer, stop, push and hand.

    Attributes:
        play: a clip, until the next command; with ``once`` for one cycle, after which it is steered as before.
        steer: a speed and a yaw rate.
        stop: leave the clip and stand.
        push: a blow.
        hand: whether the helping hand is given.
    """

    at: float
    play: str | None = None
    once: bool = False
    steer: Steer | None = None
    stop: bool = False
    push: Push | None = None
    hand: bool | None = None

    def __post_init__(self) -> None:
        _within("at", self.at, 0.0, LONGEST_S, "s")
        kinds = [name for name in ("play", "steer", "stop", "push", "hand") if getattr(self, name) not in (None, False)]
        kinds += ["hand"] if self.hand is False else []
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            raise ValueError(f"a command is exactly one of play, steer, stop: true, push and hand; found {found}")
        if self.once and self.play is None:
            raise ValueError("once belongs to play")

    def to_json(self) -> dict[str, object]:
        """Return what the command says, without its time and the defaults."""
        said = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "at"}
        return {
            name: dict(vars(value)) if isinstance(value, Steer | Push) else value
            for name, value in said.items()
            if value is not None and (value is not False or name == "hand")
        }


@dataclass(frozen=True)
class Script:
    """Commands in the order of their times, within ``seconds``; the character begins in ``clip``."""

    seconds: float
    commands: tuple[Command, ...] = ()
    clip: str = STAND

    def __post_init__(self) -> None:
        if not 0.0 < self.seconds <= LONGEST_S:
            raise ValueError(f"seconds must be above 0, at most {LONGEST_S:g}; found {self.seconds:g}")
        before = 0.0
        for number, command in enumerate(self.commands):
            if command.at < before:
                raise ValueError(
                    f"commands[{number}]: at {command.at:g} s, but the command before it is at {before:g} s"
                )
            before = command.at
        if before > self.seconds:
            raise ValueError(f"the last command is at {before:g} s, but the performance ends at {self.seconds:g} s")


def read_script(path: Path, clips: Sequence[str]) -> Script:
    """Read the script in the file ``path`` for a character that knows ``clips``.

    Raises ConfigError, which names file and key, for anything that the script must not hold.
    """
    script = build(Script, read_yaml(path), str(path))
    for where, clip in [("clip", script.clip)] + [
        (f"commands[{number}].play", command.play)
        for number, command in enumerate(script.commands)
        if command.play is not None
    ]:
        if clip not in clips:
            raise ConfigError(f"{path}.{where}: no clip '{clip}'; {nearest(clip, clips)}")
    return script


def _within(name: str, value: float, low: float, high: float, unit: str) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be from {low:g} to {high:g} {unit}, found {value:g}")
