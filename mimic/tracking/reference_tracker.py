"""The time of each environment in the clip, and the clip's position and heading in the world.

``clip_time`` is counted from the start of the cycle; ``origin_w`` and ``yaw`` place the clip's frame in the world. At the
end of a cycle the next cycle starts at the position and heading where the reference ended. With the rule
``sync_root_pos`` it starts instead at the position of the simulated root, with ``sync_root_yaw`` at the root's heading, as
in DeepMimic. Drift is therefore forgiven once a cycle, and a clip that turns can turn further in every cycle.

When one clip follows another, it starts at the heading where the previous clip was supposed to end. A heading error is
therefore not forgiven at a change of clips.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from characters import CharacterState
from mimic.core.rotations import Yaw, heading_angle
from mimic.sim.masking import assign_rows
from mimic.tracking.clip_rules import ClipRules
from mimic.tracking.reference import Reference, ReferenceSample, of_clip

ROUNDING_S = 1e-9  # sums of time steps miss the end of a clip by less


@dataclass
class ReferencePlacement:
    """Clip and clip time of N environments, and the position and heading of the clip's frame in the world.

    Attributes:
        clip_time: (N,) float64 [s], from the start of the cycle.
        origin_w: (N, 3) [m], position of the clip's origin.
        yaw: (N,) [rad], angle by which the clip is turned about z.
        clip: (N,) int64, index of the clip.
    """

    clip_time: Tensor
    origin_w: Tensor
    yaw: Tensor
    clip: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """Return the four tensors by name, not copied."""
        return {"clip_time": self.clip_time, "origin_w": self.origin_w, "yaw": self.yaw, "clip": self.clip}

    def clone(self) -> "ReferencePlacement":
        """Return a copy, which later control steps do not change."""
        return ReferencePlacement(**{name: value.clone() for name, value in self.tensors().items()})


class ReferenceTracker:
    """Clip time and placement of N environments.

    Args:
        reference: the clips.
        rules: either one for all clips, and then one clip may follow another; or one for each clip.

    Attributes:
        current: the placement of each environment, updated in place.
        may_sync_host: whether values may be read back from the device in order to skip work; false on a GPU.
        first_pos: (K, 3) root position in each clip's first frame [m]; the height is zero.
        cycle_yaw: (K,) turn of the root over one cycle [rad]; zero if each cycle starts with the heading of the recording.
        clip_selector: function from the current clips (N,) to the clips (N,) of the next cycle; None: the clip repeats.
    """

    def __init__(
        self,
        reference: Reference,
        rules: ClipRules | Sequence[ClipRules],
        num_envs: int,
        device: torch.device | str = "cpu",
    ):
        self.reference = reference
        each = [rules] * reference.num_clips if isinstance(rules, ClipRules) else list(rules)
        follow_another = isinstance(rules, ClipRules) and reference.num_clips > 1
        self._syncs_pos, self._syncs_yaw = (
            any(one.sync_root_pos for one in each),
            any(one.sync_root_yaw for one in each),
        )
        self._sync_pos = torch.tensor([one.sync_root_pos for one in each], device=device)
        self._sync_yaw = torch.tensor([one.sync_root_yaw for one in each], device=device)
        self.may_sync_host = torch.device(device).type == "cpu"
        self.current = ReferencePlacement(
            torch.zeros(num_envs, dtype=torch.float64, device=device),
            torch.zeros(num_envs, 3, device=device),
            torch.zeros(num_envs, device=device),
            torch.zeros(num_envs, dtype=torch.int64, device=device),
        )
        self.clip_selector: Callable[[Tensor], Tensor] | None = None
        clips = torch.arange(reference.num_clips, device=device)
        ends = torch.cat([torch.zeros_like(reference.durations), reference.durations])
        nowhere = torch.zeros(len(ends), 3, device=device)
        pos, quat = reference.root(ends, nowhere, nowhere[:, 0], clips.repeat(2))
        self._ground = torch.tensor([1.0, 1.0, 0.0], device=device)
        self.first_pos = pos[: len(clips)] * self._ground
        start, end = heading_angle(quat).view(2, -1)
        self.cycle_yaw = torch.where(self._sync_yaw | follow_another, end - start, torch.zeros_like(end))

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that later steps depend on, by name, not copied."""
        return self.current.tensors()

    @property
    def phase(self) -> Tensor:
        """Phase of each clip: the share of the cycle that has passed, (N,) float32 in [0, 1]."""
        return (self.current.clip_time / self.durations).float()

    @property
    def durations(self) -> Tensor:
        """Length of each environment's clip [s], (N,) or (1,) float64."""
        return of_clip(self.reference.durations, self.current.clip)

    def reset(self, rows: Tensor, clip_time: Tensor, clip: Tensor | int = 0) -> None:
        """Place the environments ``rows`` (indices or mask) at ``clip_time`` [s] of ``clip``, at the world's origin."""
        assign_rows(self.current.clip, rows, clip)
        assign_rows(self.current.clip_time, rows, clip_time)
        assign_rows(self.current.origin_w, rows, 0.0)
        assign_rows(self.current.yaw, rows, 0.0)

    def advance(self, dt: float, sim: CharacterState) -> Tensor:
        """Advance the clip time by ``dt`` [s], and start a new cycle where one is over.

        Returns (N,) bool: environments whose clip does not loop and is over.
        """
        current, reference = self.current, self.reference
        current.clip_time.add_(dt)
        duration, loops = self.durations, of_clip(reference.loops, current.clip)
        clip_over = ~loops & (current.clip_time >= duration - ROUNDING_S)
        if not reference.all_loop:
            within = torch.where(loops, current.clip_time, current.clip_time.minimum(duration))
            current.clip_time.copy_(within)
        if reference.any_loop:
            cycle_over = loops & (current.clip_time >= duration)
            for name, value in self._closed(sim).tensors().items():
                assign_rows(getattr(current, name), cycle_over, value)
        return clip_over

    def _closed(self, sim: CharacterState) -> ReferencePlacement:
        """Return the placement of the next cycle, for every environment as if its cycle were over.

        The rules decide whether the root's position and heading are synchronised with the simulation ``sim``.
        """
        closed = self._next_cycle(self.current)
        if self.clip_selector is not None:
            closed.clip = self.clip_selector(self.current.clip)
        if self._syncs_yaw:
            _, quat = self.reference.root(closed.clip_time, closed.origin_w, torch.zeros_like(closed.yaw), closed.clip)
            yaw = heading_angle(sim.root_quat_w) - heading_angle(quat)
            closed.yaw = torch.where(of_clip(self._sync_yaw, closed.clip), yaw, closed.yaw)
        if self._syncs_pos:
            pos, _ = self.reference.root(closed.clip_time, torch.zeros_like(closed.origin_w), closed.yaw, closed.clip)
            origin_w = (sim.root_pos_w - pos) * self._ground
            closed.origin_w = torch.where(of_clip(self._sync_pos, closed.clip)[:, None], origin_w, closed.origin_w)
        return closed

    def ahead(self, seconds: float) -> ReferencePlacement:
        """Return the placement ``seconds`` from now, as if no cycle synchronised the root with the simulation."""
        return self.later(self.current, seconds)

    def later(self, at: ReferencePlacement, seconds: float) -> ReferencePlacement:
        """Return the placement ``seconds`` after ``at``, as if no cycle synchronised the root with the simulation.

        The result may share tensors with ``at``.
        """
        later = ReferencePlacement(at.clip_time + seconds, at.origin_w, at.yaw, at.clip)
        duration, loops = of_clip(self.reference.durations, at.clip), of_clip(self.reference.loops, at.clip)
        if not self.reference.all_loop:
            later.clip_time = torch.where(loops, later.clip_time, later.clip_time.minimum(duration))
        if not self.reference.any_loop:
            return later
        # a fixed number of cycles, because a clip time that is NaN never comes below the duration
        for _ in range(math.ceil(seconds / self.reference.shortest_loop) + 1):
            over = loops & (later.clip_time >= duration)
            if self.may_sync_host and not bool(over.any()):
                break
            later = _where(over, self._next_cycle(later), later)
        return later

    def within(self, limit: float) -> Tensor:
        """Return (N,) bool: whether the clip time is within the clip, and the placement is within ``limit``.

        No coordinate of the origin [m], nor the yaw [rad], may be larger than ``limit`` in magnitude. NaN gives false.
        """
        current = self.current
        within = (current.clip_time >= 0) & (current.clip_time <= self.durations)
        return within & (current.origin_w.abs().amax(1) <= limit) & (current.yaw.abs() <= limit)

    def sample(self) -> ReferenceSample:
        """Return the reference at the current clip time of every environment."""
        at = self.current
        return self.reference.sample(at.clip_time, at.origin_w, at.yaw, at.clip)

    def _next_cycle(self, at: ReferencePlacement) -> ReferencePlacement:
        """Return the placement ``at`` counted from the start of the next cycle.

        The next cycle starts at the position and heading where the reference ends. The clip time may be negative.
        """
        yaw = at.yaw + self.cycle_yaw[at.clip]
        first = self.first_pos[at.clip]
        end_w = Yaw(at.yaw).rotate(first + self.reference.cycle_displacement[at.clip]) + at.origin_w
        origin_w = end_w - Yaw(yaw).rotate(first)
        return ReferencePlacement(at.clip_time - of_clip(self.reference.durations, at.clip), origin_w, yaw, at.clip)


def _where(mask: Tensor, a: ReferencePlacement, b: ReferencePlacement) -> ReferencePlacement:
    """Return, for each environment, the placement ``a`` where the mask (N,) is true, else ``b``."""
    return ReferencePlacement(
        torch.where(mask, a.clip_time, b.clip_time),
        torch.where(mask[:, None], a.origin_w, b.origin_w),
        torch.where(mask, a.yaw, b.yaw),
        torch.where(mask, a.clip, b.clip),
    )
