"""Steering: a controller of several clips follows a path, by the stick or by the choice of its next clip."""

from mimic.core.errors import InputError, nearest
from mimic.play.path_result import PathResult
from mimic.play.paths import PATHS
from mimic.play.pure_pursuit import pursue
from mimic.play.stride_choice import choose_strides
from mimic.runs.controller import Controller


def steer(controller: Controller, path: str, radius: float, seconds: float, speed: float | None = None) -> PathResult:
    """Steer a controller along a path for ``seconds``.

    Args:
        path: a name of ``PATHS``.
        radius: radius of the path's circles [m].
        speed: [m/s] of a controller of a library; by default that of its slowest gait.

    Raises:
        InputError: the controller was trained on one clip only, its library has no gait, no path has the name, or the
            speed cannot be chosen or is above that of the fastest gait.
    """
    if path not in PATHS:
        raise InputError(f"no path '{path}'; {nearest(path, PATHS)}")
    if len(controller.clips) == 1:
        raise InputError(
            f"{controller.path}: was trained on one clip, '{controller.clip}'; steering needs several: choose a controller "
            "of a library, such as `humanoid` or `dog`, or train one: train --clip A+B+C"
        )
    points = PATHS[path](radius)
    if controller.has_library:
        return pursue(controller, points, seconds, speed)
    if not controller.env_config.change_clips:
        raise InputError(
            f"{controller.path}: observes the number of its clip and does not change clips, so it cannot be steered"
        )
    if speed is not None:
        raise InputError(f"{controller.path}: takes the speed of its clips; leave --speed out")
    return choose_strides(controller, points, seconds)
