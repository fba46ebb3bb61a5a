"""How far the character gets from the clip's way over the ground."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mimic.tracking import TrackingEnv


class Drift:
    """Distance on the ground between the character and the clip placed once, where its episode began.

    The reference that is tracked starts each cycle at the character anew (DeepMimic's root sync), so that no other figure
    tells of this. Of each episode its last moment counts. For one clip: of several, which comes next is chance.
    """

    def __init__(self, env: TrackingEnv) -> None:
        self._placed = replace(env.clock.now)  # the clock changes its own in place
        self._distance = torch.zeros(env.num_envs, device=env.device)

    def before(self, env: TrackingEnv, action: Tensor) -> None:
        """Nothing to see yet."""

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Moves the clip on, and measures."""
        self._placed = env.clock.later(self._placed, env.control_dt)
        at = self._placed
        root, _ = env.clock.reference.root(at.clip_time, at.origin_w, at.yaw, at.clip)
        distance = (env.sim.root_pos_w - root)[:, :2].norm(dim=-1)
        self._distance = torch.where(up, distance, self._distance)

    def report(self) -> dict[str, Any]:
        """drift_m: mean over episodes."""
        return {"drift_m": float(self._distance.double().mean())}
