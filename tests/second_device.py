"""A second device made of the CPU: what a GPU would refuse is found where there is none.

Within ``second_device(monkeypatch)`` a tensor asked for on ``FAR`` holds its numbers in ordinary memory but says that it lies
elsewhere; an operation on tensors of both devices fails, as it would on a GPU. What comes out is the CPU's to the bit.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

from mimic.rl import algorithm, trainer

FAR = torch.device("meta")  # a name that torch knows, and for which it starts no driver
_CROSSING = ("_to_copy", "copy_", "_local_scalar_dense", "lift_fresh")
_INDEXING = ("index", "index_put", "index_put_")  # CUDA takes indices from the host


class FarTensor(torch.Tensor):
    """Says that it lies on FAR; ``near`` has its numbers."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            near.shape,
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            device=FAR,
        )

    def __init__(self, near: Tensor) -> None:
        self.near = near

    def __repr__(self) -> str:
        return f"Far({self.near!r})"

    def tolist(self) -> object:
        return self.near.tolist()

    def numpy(self, **_: object) -> None:
        raise TypeError("a tensor of another device has no numpy array")

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return _dispatch(func, args, kwargs or {})


class TwoDevices(TorchDispatchMode):
    """Makes what is asked for on FAR; of the thread that enters it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _dispatch(func, args, kwargs or {})


def near(value: Any) -> Any:
    """The numbers behind a far tensor; anything else as it is."""
    return value.near if isinstance(value, FarTensor) else value


def _dispatch(func: Any, args: tuple, kwargs: dict) -> Any:
    name, device = func.overloadpacket.__name__, kwargs.get("device")
    tensors = _tensors((*args, *kwargs.values()))
    far = any(isinstance(x, FarTensor) for x in tensors)
    to_far = far if device is None else torch.device(device) == FAR
    if not far and not to_far:
        return func(*args, **kwargs)
    if far and name not in _CROSSING:
        on_host = tensors[:1] if name in _INDEXING else tensors
        shapes = [tuple(x.shape) for x in on_host if x.dim() and not isinstance(x, FarTensor)]
        if shapes:
            raise RuntimeError(f"{name}: tensors on two devices, those on the CPU are {shapes}")
    if device is not None:
        kwargs = {**kwargs, "device": "cpu"}
    out = func(*_changed(near, args), **{key: near(value) for key, value in kwargs.items()})
    if name == "_local_scalar_dense" or not to_far:
        return out
    if name == "copy_":
        return args[0]
    out = _changed(lambda x: FarTensor(x) if isinstance(x, Tensor) else x, out)
    return return_and_correct_aliasing(func, args, kwargs, out) if far else out


def _tensors(values: Iterable[Any]) -> list[Tensor]:
    """The tensors among arguments of an operation, those in lists too."""
    found = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += [x for x in value if isinstance(x, Tensor)]
    return found


def _changed(change: Callable[[Any], Any], values: Any) -> Any:
    """``change`` of a value, or of each in a list or tuple."""
    if isinstance(values, list | tuple):
        return type(values)(_changed(change, value) for value in values)
    return change(values)


def _sending(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """``torch.tensor`` and the like make what is meant for FAR in C++, where no mode sees it."""

    def made(*args: object, device: object = None, **kwargs: object) -> Tensor:
        here = args[0] if isinstance(args[0], FarTensor) else make(*args, **kwargs)
        return here if device is None else here.to(device)  # type: ignore[call-overload]

    return made


def _plainly(make: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, fused=None, **kwargs: make(*args, **kwargs)


@contextlib.contextmanager
def second_device(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """FAR exists within; without autocast and fused optimisers, which do not know it, and with the CPU's random numbers."""
    with monkeypatch.context() as patch:
        seeded = algorithm.generator
        for module in (algorithm, trainer):
            patch.setattr(module, "generator", lambda seed, purpose, device="cpu": seeded(seed, purpose))
        for name in ("tensor", "as_tensor"):
            patch.setattr(torch, name, _sending(getattr(torch, name)))
        for name in ("Adam", "SGD"):
            patch.setattr(torch.optim, name, _plainly(getattr(torch.optim, name)))
        patch.setattr(torch, "autocast", lambda *args, **kwargs: contextlib.nullcontext())
        with TwoDevices():
            yield
