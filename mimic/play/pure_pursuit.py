"""Lead a controller of a library along a path, by pure pursuit (Coulter 1992) on the stick.

The character is steered along the arc that leads to the point of the path a little ahead of it.
"""

import math

from torch import Tensor

from mimic.core.errors import InputError
from mimic.motion_graph.entries import STEP_S
from mimic.motion_graph.library import GAITS
from mimic.play.path_result import PathResult
from mimic.play.paths import PathProgress
from mimic.play.performer import Performer, performing_env
from mimic.rendering.scene import Frame, Pose
from mimic.runs.controller import Controller
from mocap.stance import STAND

_LOOK_AHEAD_S = 0.6
_LOOK_AHEAD_M = 0.5  # at least
_QUICKEST = 2.0  # [rad/s]


def turn_towards(goal: Tensor, place: Tensor, heading: float, speed: float) -> float:
    """Return the yaw rate [rad/s] of the arc from ``place`` (2,) [m], in the direction ``heading``, to ``goal`` (2,) [m]."""
    x, y = (goal - place).tolist()
    aside = math.cos(heading) * y - math.sin(heading) * x
    rate = 2.0 * speed * aside / max(x * x + y * y, 1e-6)
    return max(-_QUICKEST, min(_QUICKEST, rate))


def pursue(controller: Controller, points: Tensor, seconds: float, speed: float | None = None) -> PathResult:
    """Lead a controller of a library along ``points`` (P, 2) [m] for ``seconds``.

    The character begins in the library's slowest gait. After a fall it gets up and goes on.

    Args:
        speed: [m/s]; by default that of the slowest gait.

    Raises:
        InputError: the library has no gait, ``speed`` is above its fastest one, or a clip is not on this machine.
    """
    env = performing_env(controller)
    gaits = [k for k in env.library.gaits if env.library.names[k] != STAND]
    if not gaits:
        character = controller.spec.character
        raise InputError(
            f"{controller.path}: cannot be steered, because its library has no gait of the {character} "
            f"({', '.join(GAITS.get(character, ())[1:])})"
        )
    slowest, fastest = (float(env.library.speed[k]) for k in (gaits[0], gaits[-1]))
    if speed is not None and speed > fastest:
        raise InputError(f"--speed {speed:g}: the fastest gait of this controller has {fastest:.2f} m/s")
    speed = slowest if speed is None else speed
    performer = Performer(env, controller.policy, env.library.names[gaits[0]])
    return lead_along(performer, points, seconds, speed)


def lead_along(performer: Performer, points: Tensor, seconds: float, speed: float) -> PathResult:
    """Lead ``performer`` along ``points`` (P, 2) [m] at ``speed`` [m/s] for ``seconds``."""
    env, progress = performer.env, PathProgress(points)
    frames, clips = [], []
    for step in range(max(1, round(seconds / STEP_S))):
        place, heading = env.engine.read().root_pos_w[0, :2].double(), float(env.tracker.pose.heading[0, 0])
        progress.place(place)
        goal = progress.ahead(max(_LOOK_AHEAD_M, _LOOK_AHEAD_S * speed))
        performer.steer(speed, turn_towards(goal, place, heading, speed))
        performer.step()
        reference = env.kinematics.forward(env.tracker.state_now())
        frames.append(Frame((step + 1) * STEP_S, Pose.of(env.bodies), Pose.of(reference), performer.doing))
        clips.append(performer.clip)
    falls = sum(event.kind == "fall" for event in performer.events)
    return PathResult.of(frames, points, clips, falls)
