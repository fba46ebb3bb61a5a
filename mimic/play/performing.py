"""A performance: one character obeys a script, and every picture and event of it is kept."""

from dataclasses import dataclass
from typing import Any

from mimic.motion_graph.entries import STEP_S
from mimic.play.performer import Event, Performer, performing_env
from mimic.play.script import Script
from mimic.rendering.scene import Frame, Pose
from mimic.runs.controller import Controller


@dataclass(frozen=True)
class Performance:
    """What happened.

    Attributes:
        frames: a picture of the film for every control step.
        events: in the order of their times.
        seconds: length.
        up_at_end: whether the character is on its feet at the end.
    """

    frames: list[Frame]
    events: list[Event]
    seconds: float
    up_at_end: bool

    def count(self, kind: str) -> int:
        """Return the number of events of one kind."""
        return sum(event.kind == kind for event in self.events)

    def to_json(self) -> dict[str, Any]:
        """Return the fields of ``perform --json``."""
        return {
            "seconds": self.seconds,
            "falls": self.count("fall"),
            "stood": self.count("stood"),
            "put_back": self.count("put_back"),
            "up_at_end": self.up_at_end,
            "events": [event.to_json() for event in self.events],
        }


def perform(controller: Controller, script: Script) -> Performance:
    """Let a controller of a library perform a script; the same script gives the same performance to the bit.

    Raises InputError if the controller cannot follow commands, or a clip is not on this machine.
    """
    env = performing_env(controller)
    performer = Performer(env, controller.policy, script.clip)
    coming = list(script.commands)
    frames = []
    steps = max(1, round(script.seconds / STEP_S))
    for step in range(steps):
        while coming and round(coming[0].at / STEP_S) <= step:
            performer.command(coming.pop(0))
        performer.step()
        reference = env.kinematics.forward(env.tracker.state_now())
        frames.append(Frame((step + 1) * STEP_S, Pose.of(env.bodies), Pose.of(reference), performer.doing))
    for command in coming:  # of the last moment
        performer.command(command)
    return Performance(frames, performer.events, steps * STEP_S, not performer.down)
