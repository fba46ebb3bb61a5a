"""What a library's model has learned, as tensors of a checkpoint: no pickle, unlike the library's own files."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

_BUFFER = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
_COUNTERS = ("num_timesteps", "_n_updates", "_episode_num")


def model_tensors(model: Any) -> dict[str, Tensor]:
    """Networks, optimisers, counters, and the filled part of the replay."""
    found = {"counters": torch.tensor([getattr(model, name) for name in _COUNTERS])}
    for name, holder in _holders(model):
        found |= {f"{name}/{key}": tensor for key, tensor in _named(holder).items()}
    if (buffer := getattr(model, "replay_buffer", None)) is not None:
        filled = buffer.buffer_size if buffer.full else buffer.pos
        found |= {f"buffer/{name}": torch.from_numpy(getattr(buffer, name)[:filled].copy()) for name in _BUFFER}
        found["buffer/place"] = torch.tensor([buffer.pos, buffer.full])
    return found


@torch.no_grad()
def load_model(model: Any, tensors: Mapping[str, Tensor]) -> None:
    """Continue from `model_tensors`. Raises KeyError, ValueError or RuntimeError if they do not fit."""
    for name, holder in _holders(model):
        prefix = f"{name}/"
        mine = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
        _restore(holder, mine)
    if (buffer := getattr(model, "replay_buffer", None)) is not None:
        for name in _BUFFER:
            part = tensors[f"buffer/{name}"].numpy()
            getattr(buffer, name)[: len(part)] = part
        pos, full = tensors["buffer/place"].tolist()
        buffer.pos, buffer.full = int(pos), bool(full)
    for name, value in zip(_COUNTERS, tensors["counters"].tolist(), strict=True):
        setattr(model, name, value)
    model._last_obs = None  # so that the library begins its episodes anew


def env_tensors(env: Any) -> dict[str, Tensor]:
    """The running moments of observations and returns; empty if the environment does not normalise."""
    moments = {name: getattr(env, name, None) for name in ("obs_rms", "ret_rms")}
    return {
        f"{name}/{part}": torch.from_numpy(np.array(getattr(found, part), dtype=np.float64))
        for name, found in moments.items()
        if found is not None
        for part in ("mean", "var", "count")
    }


def load_env(env: Any, tensors: Mapping[str, Tensor]) -> None:
    """Continue from `env_tensors`."""
    for key, tensor in tensors.items():
        name, part = key.split("/")
        value = tensor.numpy().copy()
        setattr(getattr(env, name), part, float(value) if part == "count" else value)


def _holders(model: Any) -> list[tuple[str, Any]]:
    """Everything of a model that has a state: (name, module, optimiser or tensor)."""
    modules, variables = model._get_torch_save_params()
    return [(name, _attribute(model, name)) for name in (*modules, *variables) if _attribute(model, name) is not None]


def _attribute(thing: Any, dotted: str) -> Any:
    for name in dotted.split("."):
        thing = getattr(thing, name)
    return thing


def _named(holder: Any) -> dict[str, Tensor]:
    if isinstance(holder, Tensor):
        return {"value": holder}
    if isinstance(holder, torch.optim.Optimizer):
        state = holder.state_dict()["state"]
        return {f"{index}/{key}": tensor for index, named in state.items() for key, tensor in named.items()}
    return dict(holder.state_dict())


def _restore(holder: Any, tensors: Mapping[str, Tensor]) -> None:
    if isinstance(holder, Tensor):
        holder.copy_(tensors["value"])
    elif isinstance(holder, torch.optim.Optimizer):
        state: dict[int, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            index, name = key.split("/")
            state.setdefault(int(index), {})[name] = tensor
        holder.load_state_dict(holder.state_dict() | {"state": state})
    else:
        holder.load_state_dict(dict(tensors))
