"""Draws one picture at a time, for a loop that does not know the next frame yet."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
import torch

from characters import Character
from mimic.core.errors import InputError
from mimic.rendering.camera import plan, side_azimuth
from mimic.rendering.film import SIZE, open_renderer
from mimic.rendering.overlay import draw_caption
from mimic.rendering.scene import Frame, Pose, drawn_characters, last_finite, visual_geoms
from mimic.rendering.video import FPS

_REMEMBERED = 40  # frames whose characters the camera keeps in the picture


class LivePicture:
    """Draws frames one by one, the reference as a ghost over the simulation, from a camera that follows.

    Args:
        size: (width, height) [px].
        renderer: 'auto', 'egl', 'ray' or 'tiny'.

    Raises:
        InputError, RenderError: as :func:`mimic.rendering.draw`.
    """

    def __init__(self, character: Character, size: tuple[int, int] = SIZE, renderer: str = "auto") -> None:
        self._size = size
        model = character.mj_model()
        geoms = visual_geoms(model, [body.name for body in character.bodies])
        figures = drawn_characters(geoms, "ghost", True, torch.zeros(3, dtype=torch.float64))
        self._machine, self.backend = open_renderer(renderer, model, figures, size)
        self._azimuth: float | None = None
        self._seen: list[torch.Tensor] = []
        self._drawn: tuple[Pose | None, Pose | None] = (None, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cut(self) -> None:
        """Start another scene: the camera jumps to the next frame."""
        self._azimuth, self._seen = None, []

    def draw(self, frame: Frame) -> np.ndarray:
        """Draw a frame; return the picture (height, width, 3) uint8. The last finite pose replaces one that is not finite.

        Raises InputError if the frame has no reference or there is no finite pose yet, RenderError if drawing fails.
        """
        if frame.reference is None:
            raise InputError("a live picture needs a frame with a reference")
        self._drawn = sim, reference = (
            last_finite(frame.sim, self._drawn[0]),
            last_finite(frame.reference, self._drawn[1]),
        )
        if self._azimuth is None:
            self._azimuth = side_azimuth(reference.quat[:1])
        self._seen = [*self._seen[1 - _REMEMBERED :], torch.cat((sim.pos, reference.pos))]
        camera = plan(torch.stack(self._seen), self._azimuth, self._size[0] / self._size[1], FPS)[-1]
        picture = self._machine.draw([sim, reference], camera)
        return draw_caption(picture, frame.clip, frame.time, frame.reward)

    def close(self) -> None:
        """Free the renderer's memory."""
        self._machine.close()
