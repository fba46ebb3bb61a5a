"""A character that follows commands as in the page (page/performer.js): steered, sent through clips, pushed, up again."""

import math
from dataclasses import dataclass
from typing import Any

import torch

from characters import load_character
from mimic.core.errors import InputError
from mimic.core.rotations import heading_angle
from mimic.motion_graph.conducted_env import ConductedEnv
from mimic.motion_graph.entries import STEP_S
from mimic.play.helping_hand import HandEngine
from mimic.play.script import Command, Push
from mimic.play.switching import forbidden_contacts
from mimic.rl.policy import Policy
from mimic.runs.controller import Controller
from mocap.catalogue import load_clips

LEAVE_S = 0.5  # so long before the end of a clip that is done once the gait is asked for, before the conductor does
LIE_S = 2.0  # so long a character without a getup clip lies, before it is put back on its feet
UP_SHARE = 0.85  # of the standing root height, above which a character that was down has stood up
_ONE = torch.tensor([0])


@dataclass(frozen=True)
class Event:
    """Something that happened at ``time`` [s].

    ``kind`` is one of these, and ``what`` says which:

        command: was obeyed
        clip: the reference entered it
        fall: with the lowest of the bodies that should not touch the ground
        get_up: by a clip
        stood: after a fall
        put_back: on its feet, for lack of a getup clip or after the simulation failed
    """

    time: float
    kind: str
    what: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return time, kind and what as one dictionary."""
        return {"time": round(self.time, 3), "event": self.kind, **self.what}


def performing_env(controller: Controller) -> ConductedEnv:
    """Make the environment of one character that follows commands, with a helping hand that is not given yet.

    Raises InputError if the controller cannot follow commands, or a clip is not on this machine.
    """
    if not controller.has_library:
        raise InputError(
            f"{controller.path}: is no controller of a library, so it cannot follow commands; "
            "choose one of several clips, such as `humanoid` or `dog`"
        )
    controller.check_clips_are_here()
    engine = HandEngine(load_character(controller.spec.character), 1, threads=1)
    return ConductedEnv(load_clips(controller.clip), engine, controller.env_config)


class Performer:
    """The one character of ``env``, which begins in ``clip``.

    Attributes:
        events: what has happened so far.
        time: [s].
        stick: speed [m/s] and yaw rate [rad/s] at which it is led when it does no clip.
    """

    def __init__(self, env: ConductedEnv, policy: Policy, clip: str):
        if not isinstance(env.engine, HandEngine):
            raise TypeError("the environment has no helping hand; make it by performing_env()")
        self.env, self._policy, self._engine = env, policy, env.engine
        self.events: list[Event] = []
        self.stick = (0.0, 0.0)
        self.time = 0.0
        self._hand, self._asked, self._once = False, False, False
        self._down_at, self._lies = math.inf, False
        self._forbidden = forbidden_contacts(env)
        self._clip = env.library.index(clip)
        self._obs = env.begin(torch.tensor([self._clip]), torch.zeros(1))
        start = env.engine.read()
        self._root = (start.root_pos_w, start.root_quat_w)  # of the last step that did not fail
        self._note("clip", clip=clip)

    @property
    def down(self) -> bool:
        """Whether it has fallen and not yet stood up."""
        return self._down_at < math.inf

    @property
    def clip(self) -> str:
        """The clip of the reference; of two blended gaits, the one with the larger share."""
        return self.env.library.names[self._clip_now()]

    @property
    def doing(self) -> str:
        """What it is doing, in words."""
        conductor, names = self.env.conductor, self.env.library.names
        name = _words(names[self._clip_now()])
        if self._lies:
            return "fell"
        if int(conductor.wait[0]) < 60:
            return f"{name}, then {_words(names[int(conductor.next.clip[0])])}"
        speed = float(conductor.speed[0])
        steered = bool(conductor.steering[0]) and self._clip_now() in self.env.library.gaits and speed > 0.05
        return f"{name} {speed:.1f} m/s" if steered else name

    def command(self, command: Command) -> None:
        """Obey a command."""
        self._note("command", **command.to_json())
        if command.play is not None:
            clip = torch.tensor([self.env.library.index(command.play)])
            self.env.conductor.request(_ONE, clip, command.once)
            self._asked, self._once = True, command.once or not bool(self.env.library.loops[clip])
        elif command.push is not None:
            self._push(command.push)
        elif command.hand is not None:
            self._hand = command.hand
        elif command.steer is not None:
            self.steer(command.steer.speed, command.steer.turn)
        else:
            self.stick = (0.0, 0.0)
            self._lead()
        self._obs = self.env.look()

    def steer(self, speed: float, turn: float) -> None:
        """Lead it at ``speed`` [m/s] and a yaw rate ``turn`` [rad/s], from the next step on; a clip done once is done first."""
        self.stick = (speed, turn)
        if not (self._asked and self._once):
            self._lead()

    @torch.no_grad()
    def step(self) -> None:
        """Do one control step."""
        env, engine = self.env, self._engine
        engine.guide = self._guide(engine.substeps) if self._hand and not self.down else None
        self._obs = env.control_step(self._policy.mean(self._obs))
        self.time += STEP_S
        if (clip := self._clip_now()) != self._clip:
            self._clip = clip
            self._note("clip", clip=env.library.names[clip])
        self._fall_and_rise()
        if self._asked and float(env.conductor.left()[0]) < LEAVE_S:
            self._lead()
            self._obs = env.look()

    def _lead(self) -> None:
        """Leave the clip that was asked for, and follow the stick; a character that has no gaits rests."""
        conductor = self.env.conductor
        self._asked = False
        if self.env.library.gaits:
            conductor.steer(_ONE, *(torch.tensor([x]) for x in self.stick))
        else:
            conductor.request(_ONE, torch.tensor([conductor.rest]))

    def _push(self, push: Push) -> None:
        angle = heading_angle(self.env.engine.read().root_quat_w) + math.radians(push.direction)
        speed = push.impulse / self.env.character.mass
        self.env.push(_ONE, speed * torch.stack((angle.cos(), angle.sin(), torch.zeros(1)), 1))

    def _fall_and_rise(self) -> None:
        env = self.env
        if bool(env.engine.failed()[0]):
            self._note("put_back", why="the simulation failed")
            self._put_back()
            return
        self._root = (env.sim.root_pos_w, env.sim.root_quat_w)
        height = float(env.sim.root_pos_w[0, 2])
        if bool(env.fallen()[0]):
            if not self._lies:
                self._note("fall", body=self._lowest())
            if not self.down:
                self._down_at = self.time
            self._lies = True
        if self._lies and env.recovery.getups:
            self._obs = env.get_up(_ONE)
            self._lies = False
            self._clip = self._clip_now()
            self._note("get_up", clip=env.library.names[self._clip])
        elif self._lies and self.time - self._down_at >= LIE_S:
            self._note("put_back", why="it has no getup clip")
            self._put_back()
        if self.down and not self._lies and height > UP_SHARE * env.recovery.standing_height:
            self._note("stood", after_s=round(self.time - self._down_at, 3))
            self._down_at = math.inf

    def _put_back(self) -> None:
        """Put it on its feet where it was last."""
        env, conductor = self.env, self.env.conductor
        wanted, asked = conductor.target.clone(), self._asked
        place, quat = self._root
        conductor.start(_ONE, torch.tensor([conductor.rest]), torch.zeros(1))
        conductor.now.place[:] = place[:, :2]
        conductor.now.yaw[:] = heading_angle(quat)
        env.tracker.look_ahead()
        env.engine.reset(_ONE, env.tracker.state_now())
        self._lies, self._clip, self._down_at = False, conductor.rest, math.inf
        if asked:
            conductor.request(_ONE, wanted)
        else:
            self._lead()
        self._obs = env.look()

    def _lowest(self) -> str:
        """Return the lowest of the bodies that do not touch the ground in the stance."""
        height = self.env.kinematics.lowest_points(self.env.bodies)[0]
        stance = self._forbidden[self.env.conductor.rest]
        return self.env.character.bodies[int(torch.where(stance, height, math.inf).argmin())].name

    def _guide(self, substeps: int) -> torch.Tensor:
        now = torch.arange(substeps) * (STEP_S / substeps)
        row = self.env.conductor.poses(torch.cat([now, now + STEP_S])[None]).row[..., :7]
        return row.view(1, 2, substeps, 7)

    def _clip_now(self) -> int:
        now = self.env.conductor.now
        return int(now.other[0] if float(now.weight[0]) > 0.5 else now.clip[0])

    def _note(self, kind: str, **what: Any) -> None:
        self.events.append(Event(self.time, kind, what))


def _words(clip: str) -> str:
    return clip.replace("-authored", "").replace("_", " ")
