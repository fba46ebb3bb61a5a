"""An MP4 that is either whole or not there: written under another name and renamed when it is complete."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import imageio_ffmpeg
import numpy as np

from characters.errors import InputError

FPS = 30


class VideoWriter:
    """H.264, yuv420p (plays in every browser), to be used in a ``with`` block.

    The file appears under its name when the block ends well; if it ends with an exception nothing is left behind and an
    earlier file of that name is untouched.

    Args:
        path: the .mp4 to make; missing folders are made.
        size: (width, height) [px], both even as yuv420p demands.

    Raises:
        InputError: another suffix, an odd size, or a place that cannot be written to.
    """

    def __init__(self, path: Path, size: tuple[int, int], fps: float = FPS) -> None:
        if path.suffix.lower() != ".mp4":
            raise InputError(f"cannot write '{path}': videos are written as .mp4")
        if size[0] % 2 or size[1] % 2 or min(size) < 16:
            raise InputError(f"video size {size[0]}x{size[1]}: both must be even and at least 16, e.g. 960x540")
        self.path, self.size, self.frames = path, size, 0
        self._partial = path.with_name(f".{path.stem}.{os.getpid()}.part.mp4")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._partial.touch()
        except OSError as error:
            raise InputError(f"cannot write '{path}': {error.strerror}") from error
        self._pipe: Any = imageio_ffmpeg.write_frames(
            str(self._partial), size, fps=fps, codec="libx264", macro_block_size=2, quality=None,
            pix_fmt_out="yuv420p", output_params=["-crf", "20", "-preset", "veryfast", "-movflags", "+faststart"],
            ffmpeg_log_level="error",
        )  # fmt: skip
        self._pipe.send(None)  # starts ffmpeg

    def append(self, image: np.ndarray) -> None:
        """One frame, (height, width, 3) uint8."""
        if image.shape != (self.size[1], self.size[0], 3) or image.dtype != np.uint8:
            raise ValueError(f"frame {image.shape} {image.dtype}, not {(self.size[1], self.size[0], 3)} uint8")
        self._pipe.send(np.ascontiguousarray(image))
        self.frames += 1

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._pipe.close()  # waits for ffmpeg
            if kind is None and self.frames:
                os.replace(self._partial, self.path)
        finally:
            self._partial.unlink(missing_ok=True)
