"""An environment whose steps are replayed as CUDA graphs."""

from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor

from mimic.gpu.cuda_graph import GraphBackend, GraphedCallable, graph_backend

S = TypeVar("S")
S_co = TypeVar("S_co", covariant=True)


class SteppedEnv(Protocol[S_co]):
    """An environment of N episodes, as the learner uses it (``mimic.rl.vec_env.VecEnv``)."""

    num_envs: int
    obs_dim: int
    act_dim: int
    device: torch.device
    obs_passthrough_mask: Tensor
    action_low: Tensor
    action_high: Tensor

    def reset(self) -> Tensor:
        """Start a new episode in every environment, and return the observations (N, D)."""

    def step(self, action: Tensor) -> S_co:
        """Do one control step with ``action`` (N, A); return observations, rewards and ends of the N episodes."""

    def state_dict(self) -> dict[str, Tensor]:
        """Return copies of all tensors that later steps depend on."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from the result of ``state_dict``, in place."""

    def set_progress(self, samples: int) -> None:
        """Set curricula, such as time limits, in place, by the samples that the learner has seen."""


@runtime_checkable
class StagedEnv(SteppedEnv[S_co], Protocol[S_co]):
    """An environment whose step has three stages, of which the first and the last can be captured.

    ``apply_action`` and ``finish_step`` read nothing back from the device, and update in place every tensor that a
    later call reads. ``simulate`` may do anything.
    """

    def apply_action(self, action: Tensor) -> None:
        """Do the part of a step before the physics, with ``action`` (N, A)."""

    def simulate(self) -> None:
        """Do the physics of a step."""

    def finish_step(self) -> S_co:
        """Do the part of a step after the physics, and return observations, rewards and ends."""


class GraphedEnv(Generic[S]):
    """Wraps ``env`` and runs the stages before and after the physics as one CUDA graph each.

    The next step overwrites the tensors that a step returned and those that ``env`` holds.

    Attributes:
        env: the environment. Plain Python values that its stages read (a seed, a choice of clips) are fixed when the
            stages are captured: call :meth:`reset_graphs` after a change.
    """

    def __init__(self, env: StagedEnv[S], backend: GraphBackend) -> None:
        self.env, self._backend = env, backend
        self.num_envs, self.obs_dim, self.act_dim, self.device = env.num_envs, env.obs_dim, env.act_dim, env.device
        self.obs_passthrough_mask = env.obs_passthrough_mask
        self.action_low, self.action_high = env.action_low, env.action_high
        self.reset_graphs()

    def reset_graphs(self) -> None:
        """Delete the captured graphs; the next steps capture them anew."""
        self.apply_action = GraphedCallable(self.env.apply_action, self._backend)
        self.finish_step = GraphedCallable(self.env.finish_step, self._backend)

    def step(self, action: Tensor) -> S:
        """Do one control step with ``action`` (N, A); return what ``env.finish_step`` returns.

        The next step overwrites its tensors.
        """
        self.apply_action(action)
        self.env.simulate()
        return self.finish_step()

    def reset(self) -> Tensor:
        """Start a new episode in every environment, and return the observations (N, D)."""
        return self.env.reset()

    def state_dict(self) -> dict[str, Tensor]:
        """Return copies of all tensors that later steps depend on."""
        return self.env.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from the result of ``state_dict``."""
        self.env.load_state_dict(state)

    def set_progress(self, samples: int) -> None:
        """Set curricula, such as time limits, by the samples that the learner has seen."""
        self.env.set_progress(samples)


def with_graphs(env: StagedEnv[S]) -> SteppedEnv[S]:
    """Return ``env`` wrapped to use CUDA graphs if it is on a GPU; ``env`` itself otherwise."""
    backend = graph_backend(env.device)
    return env if backend is None else GraphedEnv(env, backend)
