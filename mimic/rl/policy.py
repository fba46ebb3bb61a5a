"""The policy, a network and the head that turns its output into a distribution over actions, and the value function.

Initialisation draws from a generator handed in and touches no global random state. Everything is float32.
"""

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mimic.core.errors import CheckpointError, ConfigError
from mimic.core.strict_config import build
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.heads import CategoricalHead, GaussianHead, Head
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
    activation: Literal["relu", "tanh"] = "relu"  # between the actor's layers
    squash: bool = False  # tanh of the actor's output

    def __post_init__(self) -> None:
        if not self.actor_sizes or not self.critic_sizes or min(self.actor_sizes + self.critic_sizes) < 1:
            raise ValueError(
                f"actor_sizes {self.actor_sizes} and critic_sizes {self.critic_sizes} need at least one layer, of at least one unit"
            )
        if self.obs_std_floor <= 0.0 or min(self.obs_clip, self.output_scale) < 0.0:
            raise ValueError(
                f"obs_std_floor {self.obs_std_floor:g} must be above 0, "
                f"obs_clip {self.obs_clip:g} and output_scale {self.output_scale:g} not below 0"
            )


@dataclass(frozen=True)
class PolicyDescription:
    """What a controller says of its policy, beside the tensors: sizes, and the settings of the networks."""

    obs_dim: int
    act_dim: int
    config: PolicyConfig
    choices: int = 0


_DESCRIPTION = tuple(field.name for field in fields(PolicyDescription))
_POSITIVE = ("normalizer.scale", "normalizer.bound")
_SPREADS = ("normalizer.count", "normalizer.m2", "std")


class Policy(nn.Module):
    """Raw observation (N, D) -> distribution over normalised actions (N, A).

    ``choices`` is 0 for a normal distribution of a given standard deviation, else the number of choices.
    """

    head: Head

    def __init__(
        self,
        obs_dim: int,
        act_dim: int,
        config: PolicyConfig,
        generator: torch.Generator | None = None,
        passthrough: Tensor | None = None,
        choices: int = 0,
    ) -> None:
        super().__init__()
        head = CategoricalHead(choices) if choices else GaussianHead(act_dim)
        self.obs_dim, self.act_dim, self.choices, self.config = obs_dim, act_dim, choices, config
        self.normalizer = RunningNormalizer(
            obs_dim, passthrough, config.obs_clip, config.obs_std_floor, config.obs_samples
        )
        self.net = _mlp(obs_dim, config.actor_sizes, head.outputs, generator, config.activation)
        nn.init.uniform_(_last_linear(self.net).weight, -config.output_scale, config.output_scale, generator)
        if config.squash:
            self.net.append(nn.Tanh())
        self.head = head
        # the name of the tensor in controllers and checkpoints is "std", whichever module holds it
        self.register_state_dict_post_hook(_rename_std)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_find_std)  # type: ignore[no-untyped-call]

    @property
    def std(self) -> Tensor:
        """Standard deviation (A,) of the actions [normalised action units]; 0 for choices."""
        return self.head.std

    def set_std(self, std: float | Tensor) -> None:
        """Set the standard deviation [normalised action units], one for all or (A,); of choices nothing changes."""
        self.head.set_std(std)

    def mean(self, obs: Tensor) -> Tensor:
        """The deterministic action (N, A): the mean, or the most probable choice."""
        return self.head.mode(self.params(obs))

    def params(self, obs: Tensor) -> Tensor:
        """Parameters (N, P) of the distribution over actions: its mean, or the logits of the choices."""
        return self.params_of_normalized(self.normalizer(obs))

    def params_of_normalized(self, normalized: Tensor) -> Tensor:
        """``params`` for observations that went through ``normalizer`` already."""
        return self.head.params(self.net(normalized))

    def sample(
        self, obs: Tensor, generator: torch.Generator | None = None, distributed: DistributedContext = SINGLE_PROCESS
    ) -> tuple[Tensor, Tensor]:
        """A random action (N, A), and the parameters (N, P) of the distribution that it was drawn from.

        Of several processes with the same generator each takes its own share of one draw.
        """
        params = self.params(obs)
        return self.head.sample(params, generator, distributed), params

    def log_prob(self, action: Tensor, params: Tensor) -> Tensor:
        """Log density (N,) of ``action`` (N, A) under ``params`` (N, P)."""
        return self.head.log_prob(action, params)

    def describe(self) -> dict[str, Any]:
        """The description that :func:`load_policy` needs besides the tensors, as JSON values."""
        found = {"obs_dim": self.obs_dim, "act_dim": self.act_dim, "config": asdict(self.config)}
        return found | ({"choices": self.choices} if self.choices else {})


class Critic(nn.Module):
    """Normalised observation (N, D) -> value (N,).

    The network learns value * (1 - gamma) / reward_scale: for rewards of magnitude ``reward_scale`` an output within
    [-1, 1] whatever the discount.
    """

    def __init__(self, obs_dim: int, config: PolicyConfig, gamma: float, generator: torch.Generator | None = None):
        super().__init__()
        self.reward_scale = 1.0
        self._horizon = 1.0 / (1.0 - gamma)
        self.net = _mlp(obs_dim, config.critic_sizes, 1, generator)

    @property
    def scale(self) -> float:
        """Value of an output of 1."""
        return self.reward_scale * self._horizon

    @torch.no_grad()
    def rescale(self, reward_scale: float) -> None:
        """Change the units of the output and leave the values as they are (van Hasselt et al. 2016, Pop-Art)."""
        last = _last_linear(self.net)
        for parameter in (last.weight, last.bias):
            parameter *= self.reward_scale / reward_scale
        self.reward_scale = reward_scale

    def forward(self, normalized: Tensor) -> Tensor:
        """Value (N,) in reward units."""
        return self.unscaled(normalized) * self.scale

    def unscaled(self, normalized: Tensor) -> Tensor:
        """Value over ``scale``, (N,): the regression works on it.

        The last layer is float32 under autocast too: rounded to bfloat16, values would differ by more than advantages do.
        """
        hidden = self.net[:-1](normalized)
        with torch.autocast(hidden.device.type, enabled=False):
            result: Tensor = self.net[-1](hidden.float()).squeeze(-1)
        return result


def on_device(policy: Policy, device: torch.device) -> Policy:
    """The policy itself if it is there already, else a copy."""
    return policy if policy.std.device == device else copy.deepcopy(policy).to(device)


def load_policy(tensors: Mapping[str, Tensor], description: Mapping[str, Any]) -> Policy:
    """Rebuild a policy from its tensors and ``describe()``.

    Raises CheckpointError if they do not fit together, or if a tensor holds numbers that no policy has.
    """
    known = {key: value for key, value in description.items() if key in _DESCRIPTION}
    try:
        described = build(PolicyDescription, known, "policy")
        outputs = described.choices or described.act_dim
        _check_shapes(tensors, described.obs_dim, described.config.actor_sizes, outputs)
        policy = Policy(described.obs_dim, described.act_dim, described.config, choices=described.choices)
        _check_tensors(tensors, policy)
        policy.load_state_dict(dict(tensors))
    except (ConfigError, KeyError, TypeError, ValueError, RuntimeError) as error:
        line = " ".join(str(error).split())
        raise CheckpointError(f"the policy's tensors do not fit its description: {line}") from None
    return policy


def _check_tensors(tensors: Mapping[str, Tensor], policy: Policy) -> None:
    """Raise ValueError for a tensor of another type, one that is not finite, or a scale or spread that is not positive."""
    for name, expected in policy.state_dict().items():
        tensor = tensors[name]
        if tensor.dtype != expected.dtype:
            raise ValueError(f"{name} is {tensor.dtype}, expected {expected.dtype}")
        if not bool(tensor.isfinite().all()):
            raise ValueError(f"{name} holds a value that is not finite")
        if (name in _POSITIVE and not bool((tensor > 0).all())) or (name in _SPREADS and bool((tensor < 0).any())):
            raise ValueError(
                f"{name} holds the value {float(tensor.min()):g}, which is too small for a scale or spread"
            )


def _rename_std(policy: nn.Module, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    if f"{prefix}head.std" in state:
        state[f"{prefix}std"] = state.pop(f"{prefix}head.std")


def _find_std(policy: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    if f"{prefix}std" in state:
        state[f"{prefix}head.std"] = state.pop(f"{prefix}std")


def _check_shapes(tensors: Mapping[str, Tensor], inputs: int, sizes: tuple[int, ...], outputs: int) -> None:
    """Check tensor shapes against the description before networks of the described size are allocated."""
    for index, size in enumerate((*sizes, outputs)):
        shape = tuple(tensors[f"net.{2 * index}.weight"].shape)
        if shape != (size, inputs):
            raise ValueError(f"layer {index} is {shape}, described as {(size, inputs)}")
        inputs = size


def _mlp(
    inputs: int, sizes: tuple[int, ...], outputs: int, generator: torch.Generator | None, activation: str = "relu"
) -> nn.Sequential:
    layers: list[nn.Module] = []
    for size in (*sizes, outputs):
        # By way of "meta": the ordinary constructor would draw from torch's global generator.
        linear = nn.Linear(inputs, size, device="meta").to_empty(device="cpu")
        nn.init.xavier_uniform_(linear.weight, generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.Tanh() if activation == "tanh" else nn.ReLU(inplace=True)]
        inputs = size
    return nn.Sequential(*layers[:-1])


def _last_linear(net: nn.Sequential) -> nn.Linear:
    last = net[-1]
    if not isinstance(last, nn.Linear):
        raise TypeError("the last layer must be linear")
    return last
