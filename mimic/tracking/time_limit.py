"""The longest duration of an episode."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mimic.tracking.config import EnvConfig


class TimeLimit:
    """The time limit of new episodes: in training it follows :class:`TimeLimitConfig`, in evaluation it is constant.

    Attributes:
        steps: (K,) int64, control steps for each clip; updated in place.
    """

    def __init__(
        self,
        config: EnvConfig,
        training: bool,
        cap_s: Sequence[float | None],
        control_dt: float,
        device: torch.device,
    ):
        """``cap_s``: largest time limit for each clip [s]; None is no cap."""
        self._config, self._training, self._cap_s, self._control_dt = config, training, cap_s, control_dt
        self.steps: Tensor = torch.zeros(len(cap_s), dtype=torch.int64, device=device)
        self.set_progress(0)

    def set_progress(self, samples: int) -> None:
        """Set the limit of episodes that start from now on; ``samples`` counts the control steps that the learner has seen."""
        limit = self._config.time_limit
        ramp = min(1.0, samples / limit.ramp_samples) ** limit.power
        seconds = limit.start_s + (limit.end_s - limit.start_s) * ramp if self._training else self._config.evaluation_s
        capped = [seconds if cap is None else min(seconds, cap) for cap in self._cap_s]
        self.steps.copy_(torch.tensor([round(one / self._control_dt) for one in capped]))

    @property
    def seconds(self) -> float:
        """The time limit of episodes that start now [s]; if clips differ, the largest."""
        return int(self.steps.max()) * self._control_dt
