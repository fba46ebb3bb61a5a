"""Feet that slide, or sink, while they stand."""

from typing import Any

import torch
from torch import Tensor

from characters import Kinematics
from mimic.evaluation.feet import STANDING_M, Feet
from mimic.evaluation.metrics import Means
from mimic.tracking import TrackingEnv


class FootSliding:
    """Sliding speed of standing feet, of the simulation and of the clip, and how deep they sink into the ground."""

    def __init__(self, env: TrackingEnv):
        self._feet = Feet(env.character, env.task, env.device)
        self._kinematics: Kinematics = env.kinematics
        self._means = Means()

    def before(self, env: TrackingEnv, action: Tensor) -> None:
        """Nothing to see yet."""

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Feet that stand now."""
        simulated = self._feet.contact(env.bodies)
        reference = self._feet.contact(self._kinematics.forward(env.reference.state))
        for name, contact in (("foot_skate_m_s", simulated), ("reference_foot_skate_m_s", reference)):
            stands = (contact.height < STANDING_M) & up[:, None]
            self._means.add(name, contact.slide.flatten(), stands.flatten())
        stands = (simulated.height < STANDING_M) & up[:, None]
        self._means.add("foot_depth_m", torch.relu(-simulated.height).flatten(), stands.flatten())

    def report(self) -> dict[str, Any]:
        """foot_skate_m_s, reference_foot_skate_m_s, foot_depth_m."""
        return self._means.report()
