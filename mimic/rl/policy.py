"""Gaussian policy with a given (not learned) standard deviation, and the value function.

Initialisation draws from a generator handed in and touches no global random state. Everything is float32.
"""

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mimic.core.errors import CheckpointError
from mimic.rl.distributed import ALONE, Ranks
from mimic.rl.heads import gaussian_kl as gaussian_kl
from mimic.rl.heads import gaussian_log_prob as gaussian_log_prob
from mimic.rl.heads import gaussian_sample
from mimic.rl.normalizer import RunningNormalizer


@dataclass(frozen=True)
class PolicyConfig:
    """Networks and observation normaliser."""

    actor_sizes: tuple[int, ...] = (256, 256)
    critic_sizes: tuple[int, ...] = (256, 256)
    output_scale: float = 0.01  # the mean layer starts uniform within +- this
    obs_clip: float = 8.0  # normalised observations are clamped to +- this; 0: not
    obs_std_floor: float = 0.01
    obs_samples: int = 0  # the normaliser is frozen after so many samples; 0: never

    def __post_init__(self) -> None:
        if not self.actor_sizes or not self.critic_sizes or min(self.actor_sizes + self.critic_sizes) < 1:
            raise ValueError("actor_sizes and critic_sizes need at least one layer of at least one unit")
        if self.obs_std_floor <= 0.0 or min(self.obs_clip, self.output_scale) < 0.0:
            raise ValueError("obs_std_floor must be above 0, obs_clip and output_scale not below")


class GaussianPolicy(nn.Module):
    """Raw observation (N, D) -> normal distribution over normalised actions (N, A)."""

    std: Tensor

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        config: PolicyConfig,
        generator: torch.Generator | None = None,
        passthrough: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.obs_dim, self.act_dim, self.config = obs_dim, act_dim, config
        self.normalizer = RunningNormalizer(
            obs_dim, passthrough, config.obs_clip, config.obs_std_floor, config.obs_samples
        )
        self.net = _mlp(obs_dim, config.actor_sizes, act_dim, generator)
        nn.init.uniform_(_last_linear(self.net).weight, -config.output_scale, config.output_scale, generator)
        self.register_buffer("std", torch.ones(act_dim))

    def set_std(self, std: float | Tensor) -> None:
        """Set the standard deviation [normalised action units], one for all or (A,)."""
        self.std.copy_(torch.as_tensor(std, dtype=self.std.dtype, device=self.std.device).expand_as(self.std))

    def mean(self, obs: Tensor) -> Tensor:
        """Mean action (N, A): what the deterministic policy does."""
        return self.mean_of_normalized(self.normalizer(obs))

    def mean_of_normalized(self, normalized: Tensor) -> Tensor:
        """Mean action (N, A) for observations that went through ``normalizer`` already."""
        result: Tensor = self.net(normalized)
        return result

    def sample(
        self, obs: Tensor, generator: torch.Generator | None = None, ranks: Ranks = ALONE
    ) -> tuple[Tensor, Tensor]:
        """A random action (N, A), and the mean (N, A) it was drawn around.

        Of several processes with the same generator each takes its own share of one draw.
        """
        mean = self.mean(obs)
        return gaussian_sample(mean, self.std, generator, ranks), mean

    def log_prob(self, action: Tensor, mean: Tensor) -> Tensor:
        """Log density (N,) of ``action`` (N, A) around ``mean`` (N, A) with the present std."""
        return gaussian_log_prob(action, mean, self.std)

    def describe(self) -> dict[str, Any]:
        """What :func:`load_policy` needs beside the tensors, as JSON values."""
        return {"obs_dim": self.obs_dim, "act_dim": self.act_dim, "config": asdict(self.config)}


class Critic(nn.Module):
    """Normalised observation (N, D) -> value (N,).

    The network learns value * (1 - gamma): for a reward in [0, 1] an output in [0, 1] whatever the discount.
    """

    def __init__(self, obs_dim: int, config: PolicyConfig, gamma: float, generator: torch.Generator | None = None):
        super().__init__()
        self.scale = 1.0 / (1.0 - gamma)
        self.net = _mlp(obs_dim, config.critic_sizes, 1, generator)

    def forward(self, normalized: Tensor) -> Tensor:
        """Value (N,) in reward units."""
        return self.unscaled(normalized) * self.scale

    def unscaled(self, normalized: Tensor) -> Tensor:
        """Value times (1 - gamma), (N,): what the regression works on.

        The last layer is float32 under autocast too: rounded to bfloat16, values would differ by more than advantages do.
        """
        hidden = self.net[:-1](normalized)
        with torch.autocast(hidden.device.type, enabled=False):
            result: Tensor = self.net[-1](hidden.float()).squeeze(-1)
        return result


def on_device(policy: GaussianPolicy, device: torch.device) -> GaussianPolicy:
    """The policy itself if it is there already, else a copy."""
    return policy if policy.std.device == device else copy.deepcopy(policy).to(device)


def load_policy(tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> GaussianPolicy:
    """Rebuild a policy from its tensors and ``describe()``. Raises CheckpointError if they do not fit together."""
    try:
        config = dict(description["config"])
        for key in ("actor_sizes", "critic_sizes"):
            config[key] = tuple(config[key])
        _check_shapes(tensors, description["obs_dim"], config["actor_sizes"], description["act_dim"])
        policy = GaussianPolicy(description["obs_dim"], description["act_dim"], PolicyConfig(**config))
        policy.load_state_dict(dict(tensors))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        line = " ".join(str(error).split())
        raise CheckpointError(f"the policy's tensors do not fit its description: {line}") from None
    return policy


def _check_shapes(tensors: Mapping[str, Tensor], inputs: int, sizes: tuple[int, ...], outputs: int) -> None:
    """Compare the description with the tensors at hand before memory is taken on its word."""
    for index, size in enumerate((*sizes, outputs)):
        shape = tuple(tensors[f"net.{2 * index}.weight"].shape)
        if shape != (size, inputs):
            raise ValueError(f"layer {index} is {shape}, described as {(size, inputs)}")
        inputs = size


def _mlp(inputs: int, sizes: tuple[int, ...], outputs: int, generator: torch.Generator | None) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in (*sizes, outputs):
        # By way of "meta": the ordinary constructor would draw from torch's global generator.
        linear = nn.Linear(inputs, size, device="meta").to_empty(device="cpu")
        nn.init.xavier_uniform_(linear.weight, generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU(inplace=True)]
        inputs = size
    return nn.Sequential(*layers[:-1])


def _last_linear(net: nn.Sequential) -> nn.Linear:
    last = net[-1]
    if not isinstance(last, nn.Linear):
        raise TypeError("the last layer must be linear")
    return last
