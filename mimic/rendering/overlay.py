"""Draws text on a picture: clip, time, reward, and a label under each character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_INK, _FAINT_INK = (33, 41, 52, 255), (33, 41, 52, 165)
_PAPER = (255, 255, 255, 150)
_BAR, _BAR_GROUND = (46, 160, 103, 255), (33, 41, 52, 45)


@dataclass(frozen=True)
class Label:
    """A character's name near the lower edge, centred at ``x`` [px], with a dot in its colour (rgb, 0..255)."""

    text: str
    x: float
    dot: tuple[int, int, int]


def draw_caption(
    image: np.ndarray, clip: str, time: float, reward: float | None = None, labels: Sequence[Label] = ()
) -> np.ndarray:
    """Return a copy of the picture (height, width, 3) uint8 with a caption; a ``reward`` in [0, 1] is drawn as a bar."""
    height, width = image.shape[:2]
    unit = max(1.0, min(height, 0.75 * width) / 360)  # of a 640 x 360 picture
    canvas = Image.fromarray(image)
    pen = ImageDraw.Draw(canvas, "RGBA")
    margin = 14 * unit
    pen.text((margin, margin), clip, _INK, _font(19 * unit))
    pen.text((margin, margin + 24 * unit), f"{time:.2f} s", _FAINT_INK, _font(13 * unit))
    if reward is not None:
        _draw_reward(pen, width - margin, margin, unit, reward)
    for label in _kept_apart(labels, unit, width):
        _draw_label(pen, label, height - margin, unit)
    return np.asarray(canvas)


def _draw_reward(pen: ImageDraw.ImageDraw, right: float, top: float, unit: float, reward: float) -> None:
    length, thickness = 110 * unit, 7 * unit
    share = min(max(reward, 0.0), 1.0) if reward == reward else 0.0
    pen.text((right - length, top), "reward", _FAINT_INK, _font(13 * unit))
    pen.text((right, top), f"{reward:.2f}", _INK, _font(13 * unit), anchor="ra")
    low = top + 19 * unit
    box = (right - length, low, right, low + thickness)
    pen.rounded_rectangle(box, thickness / 2, _BAR_GROUND)
    if share * length >= 1:
        pen.rounded_rectangle((box[0], box[1], box[0] + share * length, box[3]), thickness / 2, _BAR)


def _draw_label(pen: ImageDraw.ImageDraw, label: Label, bottom: float, unit: float) -> None:
    half, dot, tall = _half_width(label, unit), 4 * unit, 22 * unit
    pen.rounded_rectangle((label.x - half, bottom - tall, label.x + half, bottom), tall / 2, _PAPER)
    at, middle = label.x - half + 12 * unit, bottom - tall / 2
    pen.ellipse((at - dot, middle - dot, at + dot, middle + dot), (*label.dot, 255))
    pen.text((at + 9 * unit, middle), label.text, _INK, _font(13 * unit), anchor="lm")


def _half_width(label: Label, unit: float) -> float:
    return 0.5 * (_font(13 * unit).getlength(label.text) + 32 * unit)


def _kept_apart(labels: Sequence[Label], unit: float, width: int) -> list[Label]:
    """Return the labels in their order from left to right, moved so that they are inside the picture and do not overlap.

    ``unit`` scales text and margins, and is 1 for a picture of 640 x 360; ``width`` [px] is the picture's.
    """
    placed: list[Label] = []
    free_from = 6 * unit
    for label in labels:
        half = _half_width(label, unit)
        x = min(max(label.x, free_from + half), width - 6 * unit - half)
        placed.append(Label(label.text, x, label.dot))
        free_from = x + half + 6 * unit
    free_to = width - 6 * unit
    for i in reversed(range(len(placed))):  # and back, where the right edge pushed the last ones left
        half = _half_width(placed[i], unit)
        placed[i] = Label(placed[i].text, min(placed[i].x, free_to - half), placed[i].dot)
        free_to = placed[i].x - half - 6 * unit
    return placed


@cache
def _font(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(round(size))
