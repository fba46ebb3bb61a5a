"""Steer a controller of several clips along a path.

At the end of each cycle a ``PathFollower`` chooses the next clip. It predicts three cycles from the clips alone and
takes the first clip of the plan that stays closest to the path and its direction. The policy does not know the path.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mimic.core.errors import InputError, nearest
from mimic.core.plotting import new_figure, save_figure
from mimic.core.rotations import heading_angle, quat_from_yaw, quat_rotate_inverse
from mimic.rendering.scene import Frame
from mimic.rendering.simulated import simulation_frames
from mimic.runs.controller import Controller
from mimic.tracking import TrackingEnv
from mocap.catalogue import names_in

_SPACING_M = 0.02  # between the points of a path
_SEARCHED_M = 2.0  # of the path ahead are searched for the character: a figure of eight passes its middle twice
_STRIDES = 3  # planned cycles
_HEADING_ERROR_M = 0.5  # one radian of heading error costs as much as this distance from the path


def _circle(radius: float, left: bool) -> Tensor:
    """Return points (P, 2) [m] of a circle that starts at the origin in the direction x."""
    angle = torch.arange(0.0, 2 * math.pi, _SPACING_M / radius, dtype=torch.float64)
    side = 1.0 if left else -1.0
    return radius * torch.stack((angle.sin(), side * (1.0 - angle.cos())), 1)


def _eight(radius: float) -> Tensor:
    return torch.cat((_circle(radius, left=True), _circle(radius, left=False)))


PATHS: dict[str, Callable[[float], Tensor]] = {
    "eight": _eight,
    "left": lambda radius: _circle(radius, left=True),
    "right": lambda radius: _circle(radius, left=False),
}


class PathFollower:
    """Chooses the clips of the first environment of ``env`` so that it follows ``points`` (P, 2) [m], a closed path.

    Attributes:
        travelled: number of path points passed.
    """

    def __init__(self, env: TrackingEnv, points: Tensor):
        self.points, self.travelled = points, 0
        way = points.roll(-1, 0) - points
        self._heading = torch.atan2(way[:, 1], way[:, 0])
        self._env = env
        self._turn, self._stride = _strides(env)
        self._plans = torch.cartesian_prod(*[torch.arange(env.num_clips)] * _STRIDES).view(-1, _STRIDES)

    def place(self, position: Tensor) -> float:
        """Advance ``travelled`` to the path point nearest to ``position`` (2,) [m]; return its distance [m]."""
        passed, distance = self._nearest(position[None], torch.tensor([self.travelled]))
        self.travelled = int(passed)
        return float(distance)

    def choose(self, over: Tensor) -> Tensor:
        """Return the next clip (N,) of every environment: the tracker calls this as its ``clip_selector``.

        ``over`` (N,): which environments' cycles have ended. All get the clip chosen for the first environment.
        """
        start, clock = self._env.sim.root_pos_w[0, :2].double().cpu(), self._env.tracker
        self.place(start)
        now = clock.current  # the cycle that has ended
        _, end = clock.reference.root(
            torch.full_like(now.clip_time, clock.reference.duration), now.origin_w, now.yaw, now.clip
        )
        best = self._cost(start, heading_angle(end)[0].double().cpu()).argmin()
        return torch.full_like(over, int(self._plans[best, 0]))

    def _cost(self, start: Tensor, heading: Tensor) -> Tensor:
        """Return the cost (plans,) of each plan, squared errors of position and direction against the path [m^2].

        Plans begin at ``start`` (2,) [m] in the direction ``heading`` [rad].
        """
        place, facing = start.expand(len(self._plans), 2), heading.expand(len(self._plans))
        passed = torch.full((len(self._plans),), self.travelled)
        cost = torch.zeros(len(self._plans), dtype=torch.float64)
        for clip in self._plans.T:
            cos, sin = facing.cos(), facing.sin()
            x, y = self._stride[clip].unbind(1)
            place = place + torch.stack((cos * x - sin * y, sin * x + cos * y), 1)
            facing = facing + self._turn[clip]
            passed, distance = self._nearest(place, passed)
            heading_error = facing - self._heading[passed % len(self.points)]
            cost += (
                distance.square() + (_HEADING_ERROR_M * torch.atan2(heading_error.sin(), heading_error.cos())).square()
            )
        return cost

    def _nearest(self, places: Tensor, passed: Tensor) -> tuple[Tensor, Tensor]:
        """Find the path point nearest to each of ``places`` (K, 2) [m], not before the points ``passed`` (K,).

        Returns the number of path points passed (K,), and the distances to the path (K,) [m].
        """
        window = passed[:, None] + torch.arange(round(_SEARCHED_M / _SPACING_M))
        distance = (self.points[window % len(self.points)] - places[:, None]).norm(dim=2)
        least = distance.min(1)
        return passed + least.indices, least.values


def _strides(env: TrackingEnv) -> tuple[Tensor, Tensor]:
    """Return turn (K,) [rad] and displacement (K, 2) [m] of one cycle of each clip, in the frame of its first heading."""
    reference, k = env.tracker.reference, env.num_clips
    clip = torch.arange(k, device=env.device)
    ends = []
    for time in (0.0, reference.duration):
        at = torch.full((k,), time, dtype=torch.float64, device=env.device)
        ends.append(reference.root(at, torch.zeros(k, 3, device=env.device), torch.zeros(k, device=env.device), clip))
    (start, facing), (end, _) = ends
    way = quat_rotate_inverse(quat_from_yaw(heading_angle(facing)), end - start)
    return env.tracker.cycle_yaw.double().cpu(), way[:, :2].double().cpu()


@dataclass(frozen=True)
class PathResult:
    """A steered run: frames of the film; per frame the root's position [m], distance to the path [m], and clip."""

    frames: list[Frame]
    points: Tensor
    track: Tensor
    distance: Tensor
    clips: list[str]
    laps: float
    falls: int

    def report(self) -> dict[str, Any]:
        """Return the number of laps and falls, the seconds, and the mean and largest distance from the path [m]."""
        return {
            "laps": self.laps,
            "falls": self.falls,
            "seconds": self.frames[-1].time,
            "mean_distance_m": float(self.distance.mean()),
            "largest_distance_m": float(self.distance.max()),
        }


def steer(controller: Controller, path: str, radius: float, seconds: float) -> PathResult:
    """Steer a controller along a path for ``seconds``.

    Args:
        path: a name of ``PATHS``.
        radius: radius of the path's circles [m].

    Raises:
        InputError: the controller was trained on one clip only, or no path has the name.
    """
    if len(names_in(controller.clip)) == 1:
        raise InputError(
            f"{controller.path}: was trained on one clip, '{controller.clip}'; steering needs several: train --clip A+B+C"
        )
    if path not in PATHS:
        raise InputError(f"no path '{path}'; {nearest(path, PATHS)}")
    controller = controller.with_episodes_of(seconds + 1.0)  # one episode, if it does not fall
    env = controller.make_env(1, threads=1)
    points = PATHS[path](radius)
    follower, progress_probe = PathFollower(env, points), PathFollower(env, points)
    env.tracker.clip_selector, env.clips.first_clip = follower.choose, 0
    chosen: list[int] = []

    def act(obs: Tensor) -> Tensor:
        chosen.append(int(env.tracker.current.clip[0]))
        action: Tensor = controller.policy.mean(obs)
        return action

    frames = simulation_frames(env, act, seconds)
    falls = int(env.state_dict()["episode"][0]) - 1
    track = torch.stack([frame.sim.pos[0, :2] for frame in frames])
    distance = torch.tensor([progress_probe.place(position) for position in track])
    names = [motion.name for motion in env.motions]
    return PathResult(
        frames, points, track, distance, [names[k] for k in chosen], progress_probe.travelled / len(points), falls
    )


def draw_path_result(result: PathResult, names: Sequence[str], picture: Path) -> None:
    """Draw the path and the track of the root from above, coloured by the clip."""
    figure = new_figure(7.0, 5.0)
    axes = figure.add_subplot()
    axes.plot(*result.points.T, color="0.75", linewidth=6.0, label="path")
    for name in names:
        there = torch.tensor([clip == name for clip in result.clips])
        axes.plot(*result.track[there].T, ".", markersize=3.0, label=name)
    axes.set_aspect("equal")
    axes.set_xlabel("m")
    axes.set_ylabel("m")
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize="small")
    axes.set_title(f"{result.laps:.2f} laps, {100 * float(result.distance.mean()):.0f} cm from the path on average")
    save_figure(figure, picture)
