"""Episodes in one file: a NumPy .npz of numbers and text alone, opened without pickle.

| array     | shape  | type    |                                                     |
|-----------|--------|---------|-----------------------------------------------------|
| version   |        | int64   | 1                                                   |
| obs       | (M, D) | float32 | observations                                        |
| action    | (M, A) | float32 | actions, normalised; the number of a choice         |
| params    | (M, P) | float32 | of the policy that acted (mean or logits); P may be 0 |
| reward    | (M,)   | float32 |                                                     |
| length    | (E,)   | int64   | transitions of each episode                         |
| end       | (E,)   | int8    | 1 terminated, 2 truncated, 3 end of the clip        |
| final_obs | (E, D) | float32 | where each episode's last action led                |
| about     |        | text    | a JSON object: task, controller, std and the like   |
"""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mimic.core.errors import InputError
from mimic.core.files import read_file, write_bytes
from mimic.core.strict_npz import numbers, read_arrays, scalar, word
from mimic.rl.episodes import Episodes

VERSION = 1
MAX_BYTES = 4_000_000_000  # unpacked
_TYPES: dict[str, type[np.generic]] = {
    "obs": np.float32,
    "action": np.float32,
    "params": np.float32,
    "reward": np.float32,
    "length": np.int64,
    "end": np.int8,
    "final_obs": np.float32,
}
_LARGEST = {"float32": float(np.finfo(np.float32).max), "int64": 2.0**40, "int8": 127.0}
_WIDE = ("obs", "action", "params", "final_obs")  # of two dimensions


def write_episodes(path: Path, episodes: Episodes) -> None:
    """Write the episodes to a file, whole or not at all. Raises InputError if it cannot be written or a number is not finite."""
    arrays = {name: getattr(episodes, name).cpu().numpy().astype(kind) for name, kind in _TYPES.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InputError(f"{path}: {name} is not finite at {np.argwhere(~np.isfinite(array))[0].tolist()}")
    data = io.BytesIO()
    about = json.dumps(dict(episodes.about), sort_keys=True, allow_nan=False)
    np.savez_compressed(data, version=np.int64(VERSION), about=np.array(about), **arrays)  # type: ignore[arg-type]
    write_bytes(path, data.getvalue())


def read_episodes(path: Path) -> Episodes:
    """Read a file of ``write_episodes``. Raises InputError for a missing file, another format or version, or wrong sizes."""
    arrays = read_arrays(read_file(path, MAX_BYTES), str(path), InputError, MAX_BYTES)
    missing = [name for name in ("version", *_TYPES, "about") if name not in arrays]
    if missing:
        raise InputError(f"{path}: holds no episodes ({', '.join(missing)} missing); `collect` writes such files")
    version = scalar(arrays["version"], f"{path}: version", InputError)
    if version != VERSION:
        raise InputError(f"{path}: episodes of version {version:g}; this program reads version {VERSION}")
    try:
        obs, action, params, reward, length, end, final = (_tensor(path, name, arrays[name]) for name in _TYPES)
        about = _about(path, word(arrays["about"], f"{path}: about", InputError))
        return Episodes(obs, action, params, reward, length, end, final, about)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def check_sizes(episodes: Episodes, obs_dim: int, act_dim: int, task: str, where: str) -> None:
    """Raise InputError if the episodes are not of the task's sizes."""
    found, wanted = (episodes.obs.shape[1], episodes.action.shape[1]), (obs_dim, act_dim)
    if found != wanted:
        raise InputError(
            f"{where}: observations of {found[0]} numbers and actions of {found[1]}; {task} has {wanted[0]} and {wanted[1]}"
        )


def _tensor(path: Path, name: str, array: np.ndarray[Any, Any]) -> Tensor:
    wanted: np.dtype[Any] = np.dtype(_TYPES[name])
    if wanted.kind == "i" and array.dtype.kind != "i":
        raise InputError(f"{path}: {name} is {array.dtype}, expected whole numbers")
    shape = (None, None) if name in _WIDE else (None,)
    values = numbers(array, shape, f"{path}: {name}", InputError).numpy()
    if not (np.abs(values) <= _LARGEST[wanted.name]).all():
        raise InputError(f"{path}: {name} holds numbers beyond {_LARGEST[wanted.name]:g}")
    return torch.from_numpy(values.astype(wanted))


def _about(path: Path, text: str) -> dict[str, str | int | float]:
    try:
        about = json.loads(text)
    except (ValueError, RecursionError):
        raise InputError(f"{path}: about is not JSON") from None
    if not isinstance(about, dict) or not all(isinstance(value, str | int | float) for value in about.values()):
        raise InputError(f"{path}: about is not an object of text and numbers")
    return about
