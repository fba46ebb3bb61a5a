"""Measure at which times each foot is on the ground, in the simulation and in its reference.

A foot is on the ground if its lowest point touches the ground. A foot also counts as on the ground if this point hardly
slides and is no higher than the standing foot is in the clip. Height alone is not enough: the feet of a recording hover
and sink by centimetres, and a trotting dog lifts its hind paws by no more. The same rule is used for simulation and
reference. Contact times are interpolated between control steps, because 1/30 s is 6 % of a trot's cycle.

The last moments before a paw lands, when the paw is already slow and low, count as contact. For an authored gait the rule
therefore overestimates duty factors by 4 to 7 % of the cycle. Times between the landings of two paws are right to 1 % of
the cycle.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from characters.ground_contact import ContactRule
from mimic.evaluation.contact_intervals import FootContacts, Footfalls, foot_contacts
from mimic.evaluation.feet import Feet
from mimic.evaluation.footfall_compare import compare_footfalls
from mimic.evaluation.metric import Metric
from mimic.tracking import TrackingEnv

TOUCH_M = 0.004  # a foot whose lowest point is below this is on the ground, however fast it slides
SLIDE_SHARE = 0.2  # a standing foot slides at less than this share of its top speed in the clip,
SLIDE_FLOOR_M_S = 0.5  # or at less than this
HOVER_M = 0.05  # largest height above the ground of a standing foot
HOVER_SHARE = 0.7  # share of the time for which a foot that is slow and low in the clip stands


class FootfallMetric(Metric):
    """Records the contacts of the feet during an evaluation."""

    def __init__(self, env: TrackingEnv):
        self._env, self._feet = env, Feet(env.character, env.rules, env.device)
        self._rule = self._contact_rule()
        self._start: Tensor | None = None
        self._signals: list[Tensor] = []  # (2, N, F) per step: simulation and reference; below 0 on the ground
        self._up: list[Tensor] = []

    def _contact_rule(self) -> ContactRule:
        """Compute from the clip the largest height and speed (F,) at which each foot counts as standing."""
        reference, n = self._env.tracker.reference, 256
        times = torch.linspace(0, reference.duration, n, dtype=torch.float64, device=self._env.device)
        still = torch.zeros(n, 3, device=self._env.device)
        state = reference.sample(times, still, still[:, 0]).state
        seen = self._feet.contact(self._env.kinematics.forward(state))
        limit = (SLIDE_SHARE * seen.slide.amax(0)).clamp_min(SLIDE_FLOOR_M_S)
        low = ContactRule(low=2 * HOVER_M, slow=limit).stands(seen.height, seen.slide)
        hover = torch.where(low, seen.height, torch.nan).nanquantile(HOVER_SHARE, dim=0).nan_to_num(0.0)
        return ContactRule(touch=TOUCH_M, low=hover.clamp(0.0, HOVER_M) + TOUCH_M, slow=limit)

    def before(self, env: TrackingEnv, action: Tensor) -> None:
        """Store the clip times at which the episodes begin."""
        if self._start is None:
            self._start = env.tracker.current.clip_time.clone()

    def after(self, env: TrackingEnv, up: Tensor, fell: Tensor) -> None:
        """Store, for each foot, a signal that is below 0 if the foot is on the ground."""
        sides = (env.bodies, env.kinematics.forward(env.reference.state))
        contacts = [self._feet.contact(bodies) for bodies in sides]
        self._signals.append(torch.stack([self._rule.margin(c.height, c.slide) for c in contacts]))
        self._up.append(up)

    def footfalls(self) -> Footfalls:
        """Return the contacts of all feet. Raises ValueError before the first step."""
        env, start = self._env, self._start
        if start is None:
            raise ValueError("no contacts have been recorded; step the environment first")
        signals = torch.stack(self._signals).double().cpu().numpy()  # (T, 2, N, F)
        lasted = torch.stack(self._up).sum(0).cpu().tolist()
        sides: list[list[list[FootContacts]]] = [[], []]
        for n, steps in enumerate(lasted):
            times = float(start[n]) + env.control_dt * np.arange(1, steps + 1)
            for s, side in enumerate(sides):
                side.append([foot_contacts(times, signals[:steps, s, n, f]) for f in range(len(self._feet.names))])
        feet = self._feet
        return Footfalls(env.motion.name, feet.names, feet.labels, env.motion.duration, env.motion.loop, *sides)

    def report(self) -> dict[str, Any]:
        """Return a FootfallComparison under the key "footfall"."""
        return {"footfall": compare_footfalls(self.footfalls())}
