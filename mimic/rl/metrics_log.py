"""The log of a run: ``metrics.jsonl`` with a row for each iteration, and TensorBoard if it is installed.

After a crash the file may hold rows newer than the checkpoint, or half a line. Opening it with the checkpoint's iteration
deletes these, and the row that marks the end of a run. A resumed run therefore has every row exactly once.
"""

import json
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

METRICS_FILE = "metrics.jsonl"
TIMING_KEYS = ("time_s", "samples_per_s", "iteration_s", "update_s")  # all that differs between twin runs

LAST_ROW = "last"  # key of the row that is written only because the run ends; a resume deletes it

Row = Mapping[str, float | int | None]


class MetricsLog:
    """Appends rows to ``folder/metrics.jsonl``; ``keep_through`` is the last iteration to keep of what is there."""

    def __init__(
        self,
        folder: Path,
        keep_through: int = -1,
        tensorboard: bool = True,
        say: Callable[[str], None] = print,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / METRICS_FILE
        self._say = say
        kept = [row for row in read_rows(self.path) if row["iteration"] <= keep_through and LAST_ROW not in row]
        _rewrite(self.path, kept)
        self._file = open(self.path, "r+b", buffering=0)
        self._size = self._file.seek(0, os.SEEK_END)
        self._unwritten = b""
        self._said = False  # that the disk refuses
        samples = int(kept[-1]["samples"]) if kept else -1
        self._board = _open_tensorboard(folder, samples + 1, say) if tensorboard else None

    def write(self, row: Row) -> None:
        """Append one row (keys ``iteration`` and ``samples`` at least). If the disk is full, it is written with the next."""
        clean = {key: value if _is_number(value) else None for key, value in row.items()}
        self._unwritten += (json.dumps(clean) + "\n").encode()
        try:
            self._file.seek(self._size)
            if self._file.write(self._unwritten) == len(self._unwritten):
                self._size += len(self._unwritten)
                self._unwritten = b""
        except OSError as error:
            if not self._said:
                self._said = True
                self._say(f"{self.path}: could not be written ({error.strerror}); trying again at every row")
        self._write_to_board(clean)

    def _write_to_board(self, row: Row) -> None:
        """Write to TensorBoard; its thread ends at the first error, so nothing more is written after one."""
        try:
            if self._board is not None:
                _to_tensorboard(self._board, row)
        except OSError as error:
            self._board = None
            self._say(f"tensorboard: could not be written ({error.strerror}); {METRICS_FILE} goes on")

    def sync(self) -> None:
        """Write all rows to the disk; call it before a checkpoint that counts them is published."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            self._say(f"{self.path}: could not be synced ({error.strerror})")

    def close(self) -> None:
        """Close the files; a half-written row is cut off."""
        try:
            self._file.truncate(self._size)
            self._file.close()
            if self._board is not None:
                self._board.close()
        except OSError as error:
            self._say(f"{self.path}: could not be closed ({error.strerror}); a resume deletes what is broken")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The whole rows of a metrics file, in order; a broken line and what follows it is left out."""
    rows: list[dict[str, Any]] = []
    for line in _lines(path):
        try:
            row = json.loads(line)
            if not isinstance(row["iteration"], int) or not isinstance(row["samples"], int):
                break
        except (ValueError, KeyError, TypeError, RecursionError):
            break
        rows.append(row)
    return rows


def _lines(path: Path) -> Iterator[bytes]:
    if path.is_file():
        with open(path, "rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))


def _rewrite(path: Path, rows: list[dict[str, Any]]) -> None:
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        file.writelines((json.dumps(row) + "\n").encode() for row in rows)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _open_tensorboard(folder: Path, purge_step: int, say: Callable[[str], None]) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        say("tensorboard is not installed: metrics.jsonl only")
        return None
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        say(f"tensorboard takes no folder whose name is not UTF-8: {METRICS_FILE} only")
        return None
    threading.excepthook = _say_nothing_of_tensorboard
    return SummaryWriter(str(folder / "tensorboard"), purge_step=purge_step)


def _say_nothing_of_tensorboard(error: threading.ExceptHookArgs) -> None:
    """Ignore errors of TensorBoard's thread, which the next ``write`` reports; pass on those of other threads."""
    if type(error.thread).__name__ != "_AsyncWriterThread":
        threading.__excepthook__(error)


def _to_tensorboard(board: Any, row: Mapping[str, Any]) -> None:
    for key, value in row.items():
        if value is not None and key not in ("iteration", "samples"):
            board.add_scalar(key if "/" in key else f"train/{key}", value, row["samples"])
