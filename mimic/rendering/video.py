"""Writes an MP4 completely or not at all: under another name first, which is renamed at the end."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, cast

import imageio_ffmpeg
import numpy as np

from mimic.core import unfinished
from mimic.core.errors import InputError

FPS = 30


class RenderError(InputError):
    """A renderer or ffmpeg failed. Only pictures depend on it, so callers may continue without them."""


class VideoWriter:
    """A context manager that writes an MP4 (H.264, yuv420p), which plays in every browser.

    The file gets its name when the ``with`` block ends without an exception. Otherwise the unfinished file is deleted,
    and an earlier file of that name stays as it is.

    Args:
        path: the .mp4 file; missing folders are created.
        size: (width, height) [px], both even, because yuv420p demands it.

    Raises:
        InputError: another suffix, an odd size, or a path that cannot be written.
        RenderError: ffmpeg does not start or does not finish.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float = FPS) -> None:
        if path.suffix.lower() != ".mp4":
            raise InputError(f"cannot write '{path}': videos are written as .mp4")
        if size[0] % 2 or size[1] % 2 or min(size) < 16:
            raise InputError(f"video size {size[0]}x{size[1]}: both sides must be even and at least 16, e.g. 960x540")
        self.path, self.size, self.frames = path, size, 0
        self._partial = path.with_name(f".{path.stem}.{os.getpid()}.part.mp4")
        unfinished.begin(self._delete)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._partial.touch()
        except OSError as error:
            unfinished.finish(self._delete)
            raise InputError(f"cannot write '{path}': {error.strerror}") from error
        self._log = tempfile.TemporaryFile()  # not a pipe: no thread reads it while ffmpeg writes
        self._ffmpeg = self._start(fps)
        unfinished.begin(self._ffmpeg.kill)

    def _start(self, fps: float) -> subprocess.Popen[bytes]:
        width, height = self.size
        source = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {fps:g} -i -"
        coding = "-an -c:v libx264 -preset veryfast -crf 20 -pix_fmt yuv420p -movflags +faststart"
        try:
            return subprocess.Popen(
                [
                    imageio_ffmpeg.get_ffmpeg_exe(),
                    "-v",
                    "error",
                    "-y",
                    *source.split(),
                    *coding.split(),
                    str(self._partial),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=self._log,
                start_new_session=True,  # Ctrl-C is for us; ffmpeg ends when its input does
            )
        except (OSError, RuntimeError) as error:
            self._delete()
            unfinished.finish(self._delete)
            raise RenderError(f"ffmpeg does not start: {error}") from error

    def append(self, image: np.ndarray) -> None:
        """Append one frame (height, width, 3) uint8. Raises RenderError if ffmpeg has ended, as on a full disk."""
        if image.shape != (self.size[1], self.size[0], 3) or image.dtype != np.uint8:
            raise ValueError(
                f"the frame is {image.shape} {image.dtype}, but must be {(self.size[1], self.size[0], 3)} uint8"
            )
        stdin = cast(IO[bytes], self._ffmpeg.stdin)
        try:
            stdin.write(np.ascontiguousarray(image).data)
        except OSError as error:
            raise RenderError(f"cannot write '{self.path}': {self._complaint() or error}") from error
        self.frames += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                self._ffmpeg.kill()
            self._finish(complete=kind is None)
        finally:
            self._log.close()
            self._delete()
            for undo in (self._delete, self._ffmpeg.kill):
                unfinished.finish(undo)

    def _finish(self, complete: bool) -> None:
        with contextlib.suppress(OSError):  # ffmpeg may have ended early; its exit code says whether that matters
            self._ffmpeg.communicate()
        if not complete:
            return
        if self._ffmpeg.returncode != 0 or not self.frames:
            raise RenderError(f"cannot write '{self.path}': {self._complaint() or 'no frames'}")
        os.replace(self._partial, self.path)

    def _delete(self) -> None:
        self._partial.unlink(missing_ok=True)

    def _complaint(self) -> str:
        """Return the last line that ffmpeg printed, or an empty text."""
        self._log.seek(0)
        lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else ""
