"""Where each environment is in the clip, and where the clip lies in the world.

``clip_time`` runs from the start of the cycle; ``origin_w`` and ``yaw`` place the clip's frame in the world. When a
cycle closes, the clip either goes on from where it ended or, as DeepMimic does, starts again at the simulated root
(``sync_root_pos``) and heading (``sync_root_yaw``), which forgives drift once a cycle and lets a turning clip turn on. Where several clips follow
one another each goes on from the heading at which the one before should have ended: a turn that is asked for is owed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from characters import CharacterState
from mimic.core.rotations import Yaw, heading_angle
from mimic.sim.masking import put
from mimic.tracking.clip_rules import TaskConfig
from mimic.tracking.reference import Reference, ReferenceSample

ROUNDING_S = 1e-9  # sums of time steps miss the end of a clip by less


@dataclass
class Placement:
    """A moment of a clip in the world: clip_time (N,) [s] float64, origin_w (N, 3) [m], yaw (N,) [rad], clip (N,) int64."""

    clip_time: Tensor
    origin_w: Tensor
    yaw: Tensor
    clip: Tensor


class Clock:
    """Clip time and placement of N environments.

    Attributes:
        now: where each environment is.
        first_pos: (K, 3) root of each clip's first frame [m], height zero.
        cycle_yaw: (K,) turn of the root over one cycle [rad]; zero where one clip starts each cycle as it was recorded.
        choose: given the clips (N,) that are over, which come next; None: the same again.
    """

    def __init__(self, reference: Reference, task: TaskConfig, num_envs: int, device: torch.device | str = "cpu"):
        self.reference, self.task = reference, task
        self.looks = torch.device(device).type == "cpu"  # to look whether there is more to do, a GPU would have to wait
        self.now = Placement(
            torch.zeros(num_envs, dtype=torch.float64, device=device),
            torch.zeros(num_envs, 3, device=device),
            torch.zeros(num_envs, device=device),
            torch.zeros(num_envs, dtype=torch.int64, device=device),
        )
        self.choose: Callable[[Tensor], Tensor] | None = None
        clips = torch.arange(reference.num_clips, device=device)
        ends = torch.tensor([0.0, reference.duration], dtype=torch.float64, device=device).repeat_interleave(len(clips))
        nowhere = torch.zeros(len(ends), 3, device=device)
        pos, quat = reference.root(ends, nowhere, nowhere[:, 0], clips.repeat(2))
        self._ground = torch.tensor([1.0, 1.0, 0.0], device=device)
        self.first_pos = pos[: len(clips)] * self._ground
        start, end = heading_angle(quat).view(2, -1)
        turns_on = task.sync_root_yaw or reference.num_clips > 1
        self.cycle_yaw = end - start if turns_on else torch.zeros_like(end)

    @property
    def phase(self) -> Tensor:
        """Share of the cycle that has passed, (N,) float32 in [0, 1]."""
        return (self.now.clip_time / self.reference.duration).float()

    def reset(self, ids: Tensor, clip_time: Tensor, clip: Tensor | int = 0) -> None:
        """Start the environments ``ids`` (or a mask: see :func:`put`) at ``clip_time`` [s], the clip at the world's origin."""
        put(self.now.clip, ids, clip)
        put(self.now.clip_time, ids, clip_time)
        put(self.now.origin_w, ids, 0.0)
        put(self.now.yaw, ids, 0.0)

    def advance(self, dt: float, sim: CharacterState) -> Tensor:
        """Move on by dt [s], closing cycles as the task says; (N,) bool: a clip that does not loop is over."""
        now = self.now
        now.clip_time = now.clip_time + dt
        if not self.reference.loop:
            now.clip_time = now.clip_time.clamp(max=self.reference.duration)
            return now.clip_time >= self.reference.duration - ROUNDING_S
        over = now.clip_time >= self.reference.duration
        closed = self._next_cycle(now)
        if self.choose is not None:
            closed.clip = self.choose(now.clip)
        if self.task.sync_root_yaw:
            _, quat = self.reference.root(closed.clip_time, closed.origin_w, torch.zeros_like(closed.yaw), closed.clip)
            closed.yaw = heading_angle(sim.root_quat_w) - heading_angle(quat)
        if self.task.sync_root_pos:
            pos, _ = self.reference.root(closed.clip_time, torch.zeros_like(closed.origin_w), closed.yaw, closed.clip)
            closed.origin_w = (sim.root_pos_w - pos) * self._ground
        self.now = _where(over, closed, now)
        return torch.zeros_like(over)

    def ahead(self, seconds: float) -> Placement:
        """The placement ``seconds`` from now, as far as can be foreseen (without re-synchronisation)."""
        return self.later(self.now, seconds)

    def later(self, at: Placement, seconds: float) -> Placement:
        """Where the clip is ``seconds`` after ``at``, without re-synchronisation."""
        later = Placement(at.clip_time + seconds, at.origin_w, at.yaw, at.clip)
        if not self.reference.loop:
            later.clip_time = later.clip_time.clamp(max=self.reference.duration)
            return later
        # counted, because a broken clip time would never come below the duration
        for _ in range(math.ceil(seconds / self.reference.duration) + 1):
            over = later.clip_time >= self.reference.duration
            if self.looks and not bool(over.any()):
                break
            later = _where(over, self._next_cycle(later), later)
        return later

    def sound(self, limit: float) -> Tensor:
        """(N,) bool: the time lies within the clip, and place [m] and turn [rad] are below ``limit``; NaN is neither."""
        now = self.now
        within = (now.clip_time >= 0) & (now.clip_time <= self.reference.duration)
        return within & (now.origin_w.abs().amax(1) <= limit) & (now.yaw.abs() <= limit)

    def sample(self) -> ReferenceSample:
        """The reference now."""
        return self.reference.sample(self.now.clip_time, self.now.origin_w, self.now.yaw, self.now.clip)

    def _next_cycle(self, at: Placement) -> Placement:
        """The same moments counted from the start of the next cycle, which goes on where this one ends."""
        yaw = at.yaw + self.cycle_yaw[at.clip]
        first = self.first_pos[at.clip]
        end_w = Yaw(at.yaw).rotate(first + self.reference.cycle_displacement[at.clip]) + at.origin_w
        origin_w = end_w - Yaw(yaw).rotate(first)
        return Placement(at.clip_time - self.reference.duration, origin_w, yaw, at.clip)


def _where(mask: Tensor, a: Placement, b: Placement) -> Placement:
    return Placement(
        torch.where(mask, a.clip_time, b.clip_time),
        torch.where(mask[:, None], a.origin_w, b.origin_w),
        torch.where(mask, a.yaw, b.yaw),
        torch.where(mask, a.clip, b.clip),
    )
