"""Position and velocity errors of the character against its reference."""

from typing import Any

import torch
from torch import Tensor

from mimic.evaluation.metric import METRICS, Means, Metric
from mimic.tracking import TrackingEnv

SUCCESS_M = 0.5


@METRICS.register("tracking-error")
class TrackingError(Metric):
    """Mean position and velocity errors, and the share of successful episodes.

    ``success_rate`` is PHC's (Luo et al. 2023, section 4): the share of episodes that do not fall and in which the mean
    body distance never exceeds 0.5 m. PHC places the reference once. Here each cycle moves the reference to the character
    (mimic/tracking/reference_tracker.py); ``drift_m`` measures the difference.
    """

    def __init__(self, env: TrackingEnv) -> None:
        self._means = Means()
        self._lost = torch.zeros(env.num_envs, dtype=torch.bool, device=env.device)

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Add the root-relative body distance, the root distance and the joint velocity error."""
        sim, reference = env.sim, env.reference
        offset = env.bodies.pos_w - env.bodies.pos_w[:, :1]
        relative, root = offset - reference.body_offset_w, sim.root_pos_w - reference.state.root_pos_w
        self._means.add("mpjpe_m", relative.norm(dim=-1).mean(1), up)
        self._means.add("root_error_m", root.norm(dim=-1), up)
        self._lost = self._lost | fell | (up & ((relative + root[:, None]).norm(dim=-1).mean(1) > SUCCESS_M))
        velocity = (sim.joint_vel - reference.state.joint_vel).abs().mean(1)
        self._means.add("joint_velocity_error_rad_s", velocity, up)

    def report(self) -> dict[str, Any]:
        """Return "mpjpe_m", "root_error_m", "joint_velocity_error_rad_s" and "success_rate".

        "mpjpe_m" is the mean per-joint position error [m], with positions relative to the root.
        """
        return self._means.report() | {"success_rate": 1.0 - float(self._lost.double().mean())}
