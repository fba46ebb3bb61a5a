"""Lead a controller of several clips along a path, by the choice of the next clip at the end of each cycle.

``StrideChooser`` predicts three cycles from the clips alone and takes the first clip of the plan that stays closest to the
path and its direction. The policy does not know the path.
"""

import torch
from torch import Tensor

from mimic.core.rotations import heading_angle, quat_from_yaw, quat_rotate_inverse
from mimic.play.path_result import PathResult
from mimic.play.paths import PathProgress
from mimic.rendering.simulated import simulation_frames
from mimic.runs.controller import Controller
from mimic.tracking import TrackingEnv

_STRIDES = 3  # planned cycles
_HEADING_ERROR_M = 0.5  # one radian of heading error costs as much as this distance from the path


class StrideChooser:
    """Chooses the clips of the first environment of ``env`` so that it follows ``points`` (P, 2) [m], a closed path."""

    def __init__(self, env: TrackingEnv, points: Tensor):
        self._progress = PathProgress(points)
        self._env = env
        self._turn, self._stride = _strides(env)
        self._plans = torch.cartesian_prod(*[torch.arange(env.num_clips)] * _STRIDES).view(-1, _STRIDES)

    def choose(self, over: Tensor) -> Tensor:
        """Return the next clip (N,) of every environment: the tracker calls this as its ``clip_selector``.

        ``over`` (N,): which environments' cycles have ended. All get the clip chosen for the first environment.
        """
        start, clock = self._env.sim.root_pos_w[0, :2].double().cpu(), self._env.tracker
        self._progress.place(start)
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
        path = self._progress
        place, facing = start.expand(len(self._plans), 2), heading.expand(len(self._plans))
        passed = torch.full((len(self._plans),), path.travelled)
        cost = torch.zeros(len(self._plans), dtype=torch.float64)
        for clip in self._plans.T:
            cos, sin = facing.cos(), facing.sin()
            x, y = self._stride[clip].unbind(1)
            place = place + torch.stack((cos * x - sin * y, sin * x + cos * y), 1)
            facing = facing + self._turn[clip]
            passed, distance = path.nearest(place, passed)
            heading_error = facing - path.heading[passed % len(path.points)]
            cost += (
                distance.square() + (_HEADING_ERROR_M * torch.atan2(heading_error.sin(), heading_error.cos())).square()
            )
        return cost


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


def choose_strides(controller: Controller, points: Tensor, seconds: float) -> PathResult:
    """Lead a controller that was trained on changing clips along ``points`` (P, 2) [m] for ``seconds``.

    Raises InputError if a clip is not on this machine.
    """
    controller = controller.with_episodes_of(seconds + 1.0)  # one episode, if it does not fall
    env = controller.make_env(1, threads=1)
    env.tracker.clip_selector, env.clips.first_clip = StrideChooser(env, points).choose, 0
    chosen: list[int] = []

    def act(obs: Tensor) -> Tensor:
        chosen.append(int(env.tracker.current.clip[0]))
        action: Tensor = controller.policy.mean(obs)
        return action

    frames = simulation_frames(env, act, seconds)
    falls = int(env.state_dict()["episode"][0]) - 1
    return PathResult.of(frames, points, [env.motions[k].name for k in chosen], falls)
