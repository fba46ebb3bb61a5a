"""Captions are where they should be, and say what they are told."""

import numpy as np
import pytest

from mimic.rendering.overlay import Label, draw_caption

PLAIN = np.full((180, 320, 3), 200, np.uint8)


def _changed(image: np.ndarray) -> np.ndarray:
    return np.abs(image.astype(int) - PLAIN).max(2) > 0


def test_clip_and_time_are_top_left_and_the_given_picture_is_untouched() -> None:
    image = draw_caption(PLAIN, "cartwheel", 1.25)
    rows, columns = np.nonzero(_changed(image))
    assert len(rows) > 100 and rows.max() < 60 and columns.max() < 160
    assert (PLAIN == 200).all()
    assert not np.array_equal(image, draw_caption(PLAIN, "cartwheel", 1.26))


def _bar(reward: float) -> int:
    image = draw_caption(PLAIN, "", 0.0, reward).astype(int)
    return int((image[..., 1] - image[..., 0] > 60).any(0).sum())


def test_the_bar_is_as_long_as_the_reward() -> None:
    full = _bar(1.0)
    assert full > 80
    assert _bar(0.5) == pytest.approx(full / 2, abs=3)
    assert _bar(0.0) == 0 and _bar(float("nan")) == 0 and _bar(7.0) == full


def test_labels_stand_where_they_are_asked_to_but_never_on_each_other_or_outside() -> None:
    def spans(*labels: Label) -> list[int]:
        paper = (draw_caption(np.zeros_like(PLAIN), "", 0.0, None, labels)[165, :, 0] > 60).astype(int)
        return np.flatnonzero(np.diff(paper)).tolist()

    (left, right) = (lambda s: (s[0], s[-1]))(spans(Label("simulation", 160, (255, 0, 0))))
    assert (left + right) / 2 == pytest.approx(160, abs=2)
    crowded = [Label("simulation", 300, (255, 0, 0)), Label("reference (mocap)", 305, (0, 0, 255))]
    both = spans(*crowded)
    assert both[0] > 2 and both[-1] < 318 and both[-1] - both[0] > 190
