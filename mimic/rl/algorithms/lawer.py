"""LAWER: fitted Q iteration by advantage-weighted regression (Neumann & Peters 2008).

An update is one step of fitted Q iteration on the whole replay: Q_i = r_i + gamma V(s'_i). The greedy value max_a Q(s, a) is
replaced by that of the soft-greedy policy mu(a | s) exp(A / temperature), where mu is the policy that acted. A weighted
regression of V(s_i) on Q_i computes it, so that no action is searched for. The same weights fit the policy.

A = (Q - V) / sigma, with one sigma for all states; the paper estimates it for each state. Their tau is 1 / temperature. Q_i is
a sample: if transitions are random, V is optimistic. The paper's Q is that of ``td_lambda`` 0. Presets have a larger one, which
mixes in returns of the policy that acted: values of one step spread too slowly when few updates follow one another.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl import weights
from mimic.rl.algorithms import ALGORITHMS
from mimic.rl.algorithms.awr import AWR, AWRConfig
from mimic.rl.distributed import SINGLE_PROCESS, DistributedContext
from mimic.rl.learner import Learner, Networks, Targets

_EPS = 1e-5


@ALGORITHMS.register("lawer")
@dataclass(frozen=True)
class LAWERConfig(AWRConfig):
    """Settings of LAWER: those of AWR."""

    inherits = "awr"
    keeps = ("temperature",)
    data = "offline"

    temperature: float = 1.0

    def create(
        self, networks: Networks, generator: torch.Generator, distributed: DistributedContext = SINGLE_PROCESS
    ) -> Learner:
        """A `LAWER`."""
        return LAWER(self, networks, generator, distributed)


class LAWER(AWR):
    """The learner of `LAWERConfig`."""

    def weights(self, targets: Targets) -> Tensor:
        """min(exp(A / temperature), weight_clip) (M,), of mean 1."""
        advantage, valid = targets.advantage, targets.valid
        sigma = self.distributed.all_reduce_mean(advantage[valid].square().mean()).sqrt() + _EPS
        weight = weights.exponential(advantage / sigma, self.config.temperature, self.config.weight_clip)
        return self.of_mean_one(weight, targets)

    def fit_values(self, obs: Tensor, targets: Targets) -> float:
        """Regress V on Q with the weights of the soft-greedy policy; return the mean loss."""
        return self.fit_critic(obs, targets, self._weighted_loss, (self.weights(targets),))

    def _weighted_loss(self, obs: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        with self._autocast():
            prediction = self.critic.unscaled(obs)
        return 0.5 * (weight * (prediction.float() - target).square()).mean().unsqueeze(0)
