"""Running mean and standard deviation of all observations, without forgetting.

Moments are float64 and merged batch by batch (Chan, Golub & LeVeque 1979). The result depends on the batches only by float64
rounding. ``forward`` uses float32 copies, which each update renews.
"""

import torch
from torch import Tensor, nn

from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext


class RunningNormalizer(nn.Module):
    """``clamp((x - mean) / max(std, std_floor), +-clip)`` per entry; passthrough entries come out unchanged.

    Before the first update it is the identity. ``clip`` 0: no clamp. ``max_samples`` 0: no limit; otherwise updates are
    ignored once that many samples have been seen.

    Attributes:
        frozen: whether updates are ignored. A policy that was trained with these moments would see another observation
            if they moved.
    """

    count: Tensor
    mean: Tensor
    m2: Tensor
    shift: Tensor
    scale: Tensor
    bound: Tensor
    passthrough: Tensor

    def __init__(
        self,
        dim: int,
        passthrough: Tensor | None = None,
        clip: float = 0.0,
        std_floor: float = 0.01,
        max_samples: int = 0,
    ) -> None:
        super().__init__()
        mask = torch.zeros(dim, dtype=torch.bool) if passthrough is None else passthrough.detach().bool().cpu().clone()
        if mask.shape != (dim,):
            raise ValueError(f"passthrough has shape {tuple(mask.shape)}, expected ({dim},)")
        self.std_floor = std_floor
        self.max_samples = max_samples
        self.clip = clip
        self.frozen = False
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(dim, dtype=torch.float64))
        self.register_buffer("m2", torch.zeros(dim, dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        unbounded = torch.finfo(torch.float32).max
        self.register_buffer("bound", torch.full((dim,), clip or unbounded).masked_fill(mask, unbounded))
        self.register_buffer("passthrough", mask)

    def forward(self, obs: Tensor) -> Tensor:
        """Normalised copy of ``obs`` (..., D)."""
        normalized = (obs - self.shift) * self.scale
        return torch.clamp(normalized, -self.bound, self.bound) if self.clip else normalized

    @property
    def std(self) -> Tensor:
        """Standard deviation (D,) of everything seen, float64, not below ``std_floor``."""
        return (self.m2 / self.count.clamp(min=1.0)).sqrt().clamp(min=self.std_floor)

    @torch.no_grad()
    def update(self, obs: Tensor, distributed: DistributedContext = SINGLE_PROCESS) -> None:
        """Add the samples ``obs`` (M, D) of this process and of the others, as if they were one batch.

        Raises ValueError if a sample is not finite, because it would stay in the mean for ever.
        """
        if self.frozen:
            return
        count = int(distributed.all_reduce_sum(torch.tensor(obs.shape[0], device=obs.device)))
        if count == 0 or (self.max_samples and float(self.count) >= self.max_samples):
            return
        if not bool(obs.isfinite().all()):
            raise ValueError(
                "an observation is not finite, so the normaliser refuses it; the environment must end that episode as diverged"
            )
        batch = obs.to(torch.float64)
        batch_mean = distributed.all_reduce_sum(batch.sum(0)) / count
        self.merge(count, batch_mean, distributed.all_reduce_sum((batch - batch_mean).square_().sum(0)))

    @torch.no_grad()
    def merge(self, count: float, mean: Tensor, m2: Tensor) -> None:
        """Join the moments of another ``count`` samples: their mean (D,) and sum of squared deviations (D,)."""
        total = self.count + count
        delta = mean - self.mean
        self.m2 += m2 + delta.square() * (self.count * count / total)
        self.mean += delta * (count / total)
        self.count.copy_(total)
        self.shift.copy_(self.mean.masked_fill(self.passthrough, 0.0))
        self.scale.copy_((1.0 / self.std).masked_fill(self.passthrough, 1.0))
