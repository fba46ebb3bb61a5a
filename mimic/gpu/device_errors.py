"""Advice after a GPU runs out of memory or is lost: one line and exit code 4. Saved checkpoints are not touched."""

from collections.abc import Mapping
from typing import Any

import torch

EXIT_CODE = 4
# texts of drivers and of mujoco_warp's allocator, for which torch has no class
_MEMORY = ("out of memory", "failed to allocate")
_LOST = ("cuda error", "cuda driver error", "device-side assert")


def explain(error: BaseException, options: Mapping[str, Any] | None = None) -> str | None:
    """Return one line that explains an error of the GPU and names a remedy; None for any other error.

    Args:
        error: the exception.
        options: options of the command that raised the error, by name; the remedy names only these.
    """
    text, options = " ".join(str(error).split()), options or {}
    trains = "A run's last checkpoint is undamaged: go on with train --resume" if "resume" in options else ""
    if isinstance(error, torch.OutOfMemoryError) or _has(text, _MEMORY):
        needed = text.split(" Of the allocated memory")[0].split(" Including non-PyTorch")[0].rstrip(".")
        return f"the device is out of memory: {needed}; {_less_memory(options)}. {trains}".rstrip()
    if isinstance(error, torch.AcceleratorError) or _has(text, _LOST):
        return f"the GPU was lost: {text[:200]}. {trains}".rstrip()
    return None


def _less_memory(options: Mapping[str, Any]) -> str:
    """Return a suggestion to reduce memory use, with options that the command accepts."""
    if options.get("resume"):
        return (
            "close other programs that use the device. Or start another run from this one's policy with fewer "
            "environments, because a resumed run keeps its settings: train --from RUN --num-envs N --out FOLDER"
        )
    ways = []
    if "num_envs" in options:
        ways.append("fewer environments (--num-envs)")
    if "set" in options:
        ways.append("smaller minibatches (--set, actor_batch and critic_batch of the algorithm)")
    if "episodes" in options:
        ways.append("fewer episodes (--episodes)")
    return f"take {' or '.join(ways)}" if ways else "close other programs that use the device"


def _has(text: str, signs: tuple[str, ...]) -> bool:
    return any(sign in text.lower() for sign in signs)
