"""Demonstrations: states with the actions that teachers give in them, in a ring buffer in half precision.

On disk they lie in folders, each of which holds the demonstrations that were added since the folder before. A checkpoint then
costs what is new, and not the whole buffer.
"""

from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from mimic.core.checked_folder import discard, read_checked_folder, remove_orphans, write_checked_folder
from mimic.core.errors import CheckpointError
from mimic.rl.normalizer import RunningNormalizer

_FILE = "rows.safetensors"


class Demonstrations:
    """Normalised observations, teachers' actions and weights; the oldest give way when the buffer is full.

    Attributes:
        total: how many were ever added.
    """

    def __init__(self, capacity: int, act_dim: int, normalizer: RunningNormalizer):
        """``normalizer`` must not change once demonstrations have been added."""
        self.total = 0
        self._normalizer = normalizer
        self._widths = (len(normalizer.shift), act_dim, 1)
        self._rows = torch.zeros(capacity, sum(self._widths), dtype=torch.float16)

    @property
    def size(self) -> int:
        """How many are kept."""
        return min(self.total, len(self._rows))

    def add(self, obs: Tensor, action: Tensor, weight: Tensor) -> None:
        """Add observations (M, D), the teachers' actions (M, A), and how much each counts (M,)."""
        self._add_rows(torch.cat([self._normalizer(obs), action, weight[:, None]], 1).half())

    def draw(self, count: int, newest: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """``count`` random ones of the ``newest``: normalised observations, actions and weights, float32."""
        back = torch.randint(0, max(1, min(newest, self.size)), (count,), generator=generator)
        rows = self._rows.index_select(0, (self.total - 1 - back) % len(self._rows)).float()
        obs, action, weight = torch.split(rows, list(self._widths), 1)
        return obs, action, weight[:, 0]

    def save(self, folder: Path, since: int) -> None:
        """Write those that were added after the first ``since``. Raises CheckpointWriteError."""
        count = min(self.total - since, self.size)
        at = (self.total - count + torch.arange(count)) % len(self._rows)
        data = safetensors.torch.save({"rows": self._rows.index_select(0, at)})
        write_checked_folder(folder / f"{self.total:012d}", {_FILE: data})

    def forget(self, folder: Path, total: int) -> None:
        """Delete the folders that a buffer of the first ``total`` demonstrations does not need."""
        for end in _ends(folder):
            if end <= total - len(self._rows):
                discard(folder / f"{end:012d}")

    def load(self, folder: Path, total: int) -> None:
        """Read the newest of the first ``total`` demonstrations; later ones are deleted. Raises CheckpointError."""
        remove_orphans(folder)
        ends = _ends(folder)
        for end in (end for end in ends if end > total):
            discard(folder / f"{end:012d}")
        kept = [end for end in ends if total - len(self._rows) < end <= total]
        parts = [_read(folder / f"{end:012d}", sum(self._widths)) for end in kept]
        found = sum(len(rows) for rows in parts)
        if found < min(total, len(self._rows)):
            raise CheckpointError(
                f"{folder}: holds {found} of the {min(total, len(self._rows))} demonstrations that the checkpoint needs"
            )
        self.total = total - found
        for rows in parts:
            self._add_rows(rows)

    def _add_rows(self, rows: Tensor) -> None:
        self._rows[(self.total + torch.arange(len(rows))) % len(self._rows)] = rows
        self.total += len(rows)


def _ends(folder: Path) -> list[int]:
    """Number of demonstrations up to the end of each folder, ascending."""
    return sorted(int(path.name) for path in folder.glob("[0-9]*") if path.name.isdecimal())


def _read(path: Path, width: int) -> Tensor:
    data = read_checked_folder(path, [_FILE])[_FILE]
    try:
        rows = safetensors.torch.load(data)["rows"]
    except (safetensors.SafetensorError, ValueError, KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"{path / _FILE}: cannot be read as demonstrations ({' '.join(str(error).split())})"
        ) from None
    if rows.dim() != 2 or rows.shape[1] != width or rows.dtype != torch.float16:
        raise CheckpointError(
            f"{path / _FILE}: the array has shape {tuple(rows.shape)} and type {rows.dtype}, expected {width} columns of float16"
        )
    return rows
