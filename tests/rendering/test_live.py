"""Pictures of what is happening now."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from characters import load_character
from mimic.core.errors import InputError
from mimic.rendering import Frame, LivePicture, Pose

pytest.importorskip("pybullet")
SIZE = (192, 108)


@pytest.fixture
def dog():
    """The dog, and it standing ``x`` metres ahead, its reference where it began."""
    character = load_character("dog")
    count = len(character.bodies)
    quat = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64).expand(count, 4)
    rest = torch.zeros(count, 3, dtype=torch.float64) + torch.tensor([0.0, 0.0, 0.5])

    def frame(x: float) -> Frame:
        moved = rest + torch.tensor([x, 0.0, 0.0])
        return Frame(x, Pose(moved, quat), Pose(moved, quat), "test", 0.5)

    return character, frame


def body_column(picture: np.ndarray) -> float:
    """Where across the picture the figure is: what differs from the far left column's ground and sky."""
    differs = np.abs(picture[40:80].astype(int) - picture[40:80, :1].astype(int)).sum(-1) > 120
    return float(np.nonzero(differs.any(0))[0].mean())


def test_the_camera_follows_the_character(dog):
    character, frame = dog
    with LivePicture(character, SIZE, "ray") as live:
        first = live.draw(frame(0.0))
        for step in range(1, 8):
            later = live.draw(frame(0.3 * step))
    assert first.shape == (108, 192, 3) and first.dtype == np.uint8
    assert abs(body_column(first) - SIZE[0] / 2) < 25 and abs(body_column(later) - SIZE[0] / 2) < 40


def test_the_camera_jumps_after_a_cut(dog):
    character, frame = dog
    with LivePicture(character, SIZE, "ray") as live:
        near = live.draw(frame(0.0))
        live.cut()
        far = live.draw(replace(frame(50.0), time=0.0))
    assert abs(body_column(near) - body_column(far)) < 5


def test_a_pose_that_blew_up_is_drawn_as_the_one_before(dog):
    character, frame = dog
    broken = replace(frame(0.0), sim=Pose(frame(0.0).sim.pos * float("nan"), frame(0.0).sim.quat))
    with LivePicture(character, SIZE, "ray") as live:
        with pytest.raises(InputError, match="not finite"):
            live.draw(broken)
        last_finite = live.draw(frame(0.0))
        np.testing.assert_array_equal(live.draw(broken), last_finite)
        with pytest.raises(InputError, match="with a reference"):
            live.draw(replace(broken, reference=None))
