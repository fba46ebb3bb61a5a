"""The last K iterations of experience, time-major, in one ring.

Consecutive iterations of an environment have no gap in time. A backward pass from the newest edge therefore covers each path
up to its end or up to now. Evicting the oldest iteration leaves suffixes of paths. Their TD(lambda) returns stay exactly the
same, because a return depends only on later steps.

Storage is a ring over time slots; ``slots()`` lists them oldest first. Row ``slot * N + env`` of the flat views is one
transition. The tensors are live: the next ``add`` overwrites the oldest slot.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mimic.rl.vec_env import Step, Termination

_FIELDS = ("obs", "action", "params", "std", "reward", "log_prob", "end", "valid")
_STORED = {"params": "mean", "next_obs": "last_obs"}  # names in checkpoints that differ


@dataclass(frozen=True)
class FinalObs:
    """The last observations of M episodes that ended by time-out or clip end."""

    slot: Tensor  # (M,) int64
    env: Tensor  # (M,) int64
    obs: Tensor  # (M, D)


class Replay:
    """Ring of ``iterations * steps`` time slots of N transitions.

    ``params_dim``: width P of the parameters of the policy's distribution; None means that of an action.
    """

    def __init__(
        self,
        iterations: int,
        steps: int,
        num_envs: int,
        obs_dim: int,
        act_dim: int,
        device: torch.device | str = "cpu",
        params_dim: int | None = None,
    ) -> None:
        if min(iterations, steps, num_envs, obs_dim, act_dim) < 1:
            raise ValueError(
                f"every size of a Replay must be at least 1, found {(iterations, steps, num_envs, obs_dim, act_dim)}"
            )
        self.steps, self.num_envs = steps, num_envs
        self.capacity = iterations * steps
        self.position = 0  # slot written next
        self.size = 0  # slots filled
        shape = (self.capacity, num_envs)
        self.obs = torch.zeros(*shape, obs_dim, device=device)
        self.action = torch.zeros(*shape, act_dim, device=device)
        self.params = torch.zeros(*shape, params_dim or act_dim, device=device)  # of the distribution that acted
        self.std = torch.zeros(self.capacity, act_dim, device=device)  # of the policy that acted
        self.reward = torch.zeros(shape, device=device)
        self.log_prob = torch.zeros(shape, device=device)
        self.end = torch.zeros(shape, dtype=torch.int8, device=device)
        self.valid = torch.zeros(shape, dtype=torch.bool, device=device)
        self.next_obs = torch.zeros(num_envs, obs_dim, device=device)  # where the newest slot leads
        self._finals: dict[int, tuple[Tensor, Tensor]] = {}  # slot -> (env (m,), obs (m, D))

    def add(self, obs: Tensor, action: Tensor, params: Tensor, std: Tensor, log_prob: Tensor, step: Step) -> None:
        """Store one time slot: acting in ``obs`` (N, D) with ``action`` (N, A) gave ``step``.

        Diverged rows are kept only as a cut in time (``valid`` False, the rest 0 but for ``obs``). Raises ValueError if
        another row is not finite: nothing is stored then.
        """
        diverged = step.end == int(Termination.DIVERGED)
        truncated = (step.end == int(Termination.TIMEOUT)) | (step.end == int(Termination.CLIP_END))
        env = truncated.nonzero().squeeze(-1)
        final = step.final_obs.index_select(0, env)
        reward = step.reward
        if self.obs.device.type != "cpu" or bool(diverged.any()):  # on a GPU, asking waits
            reward, log_prob = reward.masked_fill(diverged, 0.0), log_prob.masked_fill(diverged, 0.0)
            action, params = (x.masked_fill(diverged.unsqueeze(-1), 0.0) for x in (action, params))
        _refuse_non_finite(obs=obs, action=action, params=params, reward=reward, next_obs=step.obs, final_obs=final)
        slot = self.position
        for name, value in (
            ("obs", obs),
            ("action", action),
            ("params", params),
            ("std", std),
            ("reward", reward),
        ):
            getattr(self, name)[slot].copy_(value)
        self.log_prob[slot].copy_(log_prob)
        self.end[slot].copy_(step.end)
        torch.logical_not(diverged, out=self.valid[slot])
        self.next_obs.copy_(step.obs)
        self._finals.pop(slot, None)
        if env.numel():
            self._finals[slot] = (env, final)
        self.position = (slot + 1) % self.capacity
        self.size = min(self.size + 1, self.capacity)

    def cut(self, obs: Tensor) -> None:
        """End the unfinished episodes as time-outs, and begin new ones at ``obs`` (N, D).

        For an environment that cannot resume its episodes. Their last step bootstraps.
        """
        if self.size:
            slot = (self.position - 1) % self.capacity
            env = (self.end[slot] == int(Termination.NONE)).nonzero().squeeze(-1)
            self.end[slot, env] = int(Termination.TIMEOUT)
            truncated, final = self._finals.get(slot, (env[:0], self.next_obs[:0]))
            self._finals[slot] = (torch.cat([truncated, env]), torch.cat([final, self.next_obs[env]]))
        self.next_obs.copy_(obs)

    def set_finals(self, slot: Tensor, env: Tensor, obs: Tensor) -> None:
        """Replace the observations (M, D) in which episodes stopped, by time slot (M,) and environment (M,)."""
        device = self.obs.device
        slot, env, obs = slot.to(device), env.to(device), obs.to(device)
        order = slot.argsort(stable=True)
        found, counts = torch.unique_consecutive(slot[order], return_counts=True)
        pieces = zip(*(torch.split(x[order], counts.tolist()) for x in (env, obs)), strict=True)
        self._finals = {int(s): (e, o) for s, (e, o) in zip(found, pieces, strict=True)}

    def extend(self, other: "Replay") -> None:
        """Take over the time slots of ``other``, oldest first, as if they had been added here one by one.

        It may lie on another device.
        """
        for source in other.slots().tolist():
            slot = self.position
            for name in _FIELDS:
                getattr(self, name)[slot].copy_(getattr(other, name)[source])
            self._finals.pop(slot, None)
            if source in other._finals:
                env, obs = other._finals[source]
                self._finals[slot] = (env.to(self.obs.device), obs.to(self.obs.device))
            self.position = (slot + 1) % self.capacity
            self.size = min(self.size + 1, self.capacity)
        self.next_obs.copy_(other.next_obs)

    @property
    def nbytes(self) -> int:
        """Memory of a full replay [bytes], final observations aside."""
        return sum(int(getattr(self, name).nbytes) for name in (*_FIELDS, "next_obs"))

    def slots(self, newest: int | None = None) -> Tensor:
        """Slot indices (T,), oldest first; only the ``newest`` so many time slots if given."""
        count = self.size if newest is None else min(newest, self.size)
        offsets = torch.arange(self.position - count, self.position, device=self.obs.device)
        return offsets % self.capacity

    def rows(self, slots: Tensor) -> Tensor:
        """Rows (T * N,) of the flat views that belong to ``slots`` (T,), in their order, environments fastest."""
        env = torch.arange(self.num_envs, device=slots.device)
        return (slots.unsqueeze(1) * self.num_envs + env).flatten()

    def final_obs(self) -> FinalObs:
        """Observations where episodes were stopped by time-out or clip end."""
        slots = sorted(self._finals)
        if not slots:
            none = torch.zeros(0, dtype=torch.int64, device=self.obs.device)
            return FinalObs(none, none, self.next_obs[:0])
        envs = [self._finals[slot][0] for slot in slots]
        slot = torch.cat([torch.full_like(env, slot) for slot, env in zip(slots, envs, strict=True)])
        return FinalObs(slot, torch.cat(envs), torch.cat([self._finals[slot][1] for slot in slots]))

    def state_dict(self) -> dict[str, Tensor]:
        """The filled part, the write position and the observations that follow the newest slot."""
        final = self.final_obs()
        state = {_STORED.get(name, name): getattr(self, name)[: self.size] for name in _FIELDS}
        state |= {
            "last_obs": self.next_obs,
            "final_slot": final.slot,
            "final_env": final.env,
            "final_obs": final.obs,
        }
        return state | {"position": torch.tensor([self.position, self.size])}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from ``state_dict``. Raises ValueError if the sizes are others."""
        position, size = (int(x) for x in state["position"])
        for name in (*_FIELDS, "next_obs"):
            mine, theirs = getattr(self, name), state[_STORED.get(name, name)]
            target = mine if name == "next_obs" else mine[:size]
            if target.shape != theirs.shape or size > self.capacity:
                raise ValueError(f"replay '{name}' is {tuple(theirs.shape)}, expected {tuple(target.shape)}")
            target.copy_(theirs)
        self.position, self.size = position, size
        device = self.obs.device
        slot, env, obs = (state[f"final_{name}"].to(device) for name in ("slot", "env", "obs"))
        self._finals = {s: (env[slot == s], obs[slot == s]) for s in set(slot.tolist())}


def _refuse_non_finite(**tensors: Tensor) -> None:
    # on a GPU, asking waits: ask once
    largest = torch._foreach_norm([x for x in tensors.values() if x.numel()], math.inf)
    if bool(torch.stack(largest).isfinite().all()):
        return
    for name, tensor in tensors.items():
        if not bool(tensor.isfinite().all()):
            env = int((~tensor.isfinite()).reshape(tensor.shape[0], -1).any(1).nonzero()[0])
            raise ValueError(f"non-finite {name} in row {env}, and the environment did not report Termination.DIVERGED")
