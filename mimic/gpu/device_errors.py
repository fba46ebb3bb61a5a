"""What to say when a GPU's memory runs out or the GPU itself is lost: one line, exit code 4, nothing saved is touched."""

import torch

EXIT_CODE = 4
# what drivers and mujoco_warp's allocator write where torch has no class for it
_MEMORY = ("out of memory", "failed to allocate")
_LOST = ("cuda error", "cuda driver error", "device-side assert")


def explain(error: BaseException) -> str | None:
    """One line about an error of the device, with what to do; None if it is another kind of error."""
    text = " ".join(str(error).split())
    if isinstance(error, torch.OutOfMemoryError) or _has(text, _MEMORY):
        needed = text.split(" Of the allocated memory")[0].split(" Including non-PyTorch")[0].rstrip(".")
        return (
            f"the device is out of memory: {needed}; take fewer environments (--num-envs) or smaller minibatches "
            "(--set awr.update.actor_batch=1024 --set awr.update.critic_batch=1024). A run's last checkpoint is sound: --resume"
        )
    if isinstance(error, torch.AcceleratorError) or _has(text, _LOST):
        return f"the GPU was lost: {text[:200]}. A run's last checkpoint is sound: go on with train --resume"
    return None


def _has(text: str, signs: tuple[str, ...]) -> bool:
    return any(sign in text.lower() for sign in signs)
