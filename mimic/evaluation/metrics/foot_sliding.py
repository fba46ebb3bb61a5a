"""Feet that slide over the ground, or sink into it, while they stand."""

from typing import Any

import torch
from torch import Tensor

from mimic.evaluation.feet import STANDING, Feet
from mimic.evaluation.metric import METRICS, Means, Metric
from mimic.tracking import TrackingEnv


@METRICS.register("foot-sliding")
class FootSliding(Metric):
    """Sliding speed of standing feet, in the simulation and in the clip, and the depth of simulated feet in the ground."""

    def __init__(self, env: TrackingEnv) -> None:
        self._feet = Feet(env.character, env.rules, env.device)
        self._means = Means()

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Add the sliding speed and the depth below ground of every standing foot."""
        simulated = self._feet.contact(env.bodies)
        reference = self._feet.contact(env.kinematics.forward(env.reference.state))
        for name, contact in (("foot_skate_m_s", simulated), ("reference_foot_skate_m_s", reference)):
            stands = STANDING.stands(contact.height) & up[:, None]
            self._means.add(name, contact.slide.flatten(), stands.flatten())
        stands = STANDING.stands(simulated.height) & up[:, None]
        self._means.add("foot_depth_m", torch.relu(-simulated.height).flatten(), stands.flatten())

    def report(self) -> dict[str, Any]:
        """Return the means over standing feet: "foot_skate_m_s", "reference_foot_skate_m_s" and "foot_depth_m".

        The first two are sliding speeds [m/s] of the simulation and of the clip, the third is a depth [m].
        """
        return self._means.report()
