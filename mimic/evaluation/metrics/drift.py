"""Drift: the distance between the character's final position and the position where the clip ends."""

from typing import Any

import torch
from torch import Tensor

from mimic.evaluation.metric import METRICS, Metric
from mimic.tracking import TrackingEnv


class Drift(Metric):
    """Horizontal distance between the character and the clip at the last step of each episode.

    The clip is placed once, at the start of the episode. The task's own reference is moved to the character again in each
    cycle (DeepMimic's root sync), so no other metric measures drift.
    """

    def __init__(self, env: TrackingEnv) -> None:
        self._placed = env.tracker.current.clone()  # the tracker updates its own in place
        self._distance = torch.zeros(env.num_envs, device=env.device)

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Advance the clip by one control step and measure the distance."""
        self._placed = env.tracker.later(self._placed, env.control_dt)
        at = self._placed
        root, _ = env.tracker.reference.root(at.clip_time, at.origin_w, at.yaw, at.clip)
        distance = (env.sim.root_pos_w - root)[:, :2].norm(dim=-1)
        self._distance = torch.where(up, distance, self._distance)

    def report(self) -> dict[str, Any]:
        """Return the mean distance over all episodes [m] under the key "drift_m"."""
        return {"drift_m": float(self._distance.double().mean())}


@METRICS.register("drift")
def drift(env: TrackingEnv) -> Metric | None:
    """Return the metric; None if the task has several clips, because then the next clip is random and drift undefined."""
    return Drift(env) if env.num_clips == 1 else None
