"""All renderers draw the same laws: things are where the camera's arithmetic says, in front or behind, here or gone."""

import numpy as np
import pytest
import torch

from tests.rendering.stage import CAMERA, GREEN, SIZE, at, ball, centre_of, make_renderer

pytestmark = pytest.mark.parametrize("kind", ["ray", "tiny", "egl"])


@pytest.mark.parametrize("place", [(1.0, 2.0, 0.6), (1.5, 2.1, 0.2), (0.3, 1.6, 1.2), (0.8, 3.5, 0.1)])
def test_a_ball_is_where_the_camera_says(kind: str, place: tuple[float, float, float]) -> None:
    renderer = make_renderer(kind, ball(radius=0.06))
    image = renderer.draw([at(*place)], CAMERA)
    renderer.close()
    pixels, _ = CAMERA.project(torch.tensor([place]), *SIZE)
    assert np.abs(centre_of(image, 0) - pixels[0].numpy()).max() < 1.0


def test_the_right_is_right_and_above_is_above(kind: str) -> None:
    _, right, _ = CAMERA.axes()
    renderer = make_renderer(kind, ball(), ball(GREEN))
    here = CAMERA.lookat
    beside, above = (here + 0.4 * right).tolist(), (here + torch.tensor([0, 0, 0.3])).tolist()
    image = renderer.draw([at(*beside), at(*above)], CAMERA)
    renderer.close()
    red, green = centre_of(image, 0), centre_of(image, 1)
    assert red[0] > SIZE[0] / 2 + 20 and green[1] < SIZE[1] / 2 - 15


def test_a_picture_is_not_blank_and_follows_the_pose(kind: str) -> None:
    renderer = make_renderer(kind, ball())
    first, again, moved = (renderer.draw([at(1.0, 2.0, z)], CAMERA) for z in (0.5, 0.5, 0.9))
    renderer.close()
    assert first.shape == (SIZE[1], SIZE[0], 3) and first.dtype == np.uint8
    assert first.std() > 10
    assert np.array_equal(first, again)
    assert (np.abs(first.astype(int) - moved).max(2) > 40).sum() > 50


def test_the_nearer_one_hides_the_farther_whatever_their_order(kind: str) -> None:
    forward = CAMERA.axes()[0]
    near, far = (at(*(CAMERA.lookat + d * forward).tolist()) for d in (-0.5, 0.5))
    middle = (SIZE[1] // 2, SIZE[0] // 2)
    renderer = make_renderer(kind, ball(), ball(GREEN))
    red_first = renderer.draw([near, far], CAMERA)[middle]
    green_first = renderer.draw([far, near], CAMERA)[middle]
    renderer.close()
    assert red_first[0] > 2 * red_first[1] and green_first[1] > 2 * green_first[0]


def test_a_translucent_figure_lets_through_and_is_hidden_behind_a_solid_one(kind: str) -> None:
    forward = CAMERA.axes()[0]
    near, far = (at(*(CAMERA.lookat + d * forward).tolist()) for d in (-0.5, 0.5))
    middle = (SIZE[1] // 2, SIZE[0] // 2)
    renderer = make_renderer(kind, ball(), ball(GREEN, opacity=0.4))
    through = renderer.draw([far, near], CAMERA)[middle].astype(int)
    hidden = renderer.draw([near, far], CAMERA)[middle].astype(int)
    renderer.close()
    assert through[0] > 70 and through[1] > 50 and through[0] > hidden[0] * 0.4
    assert hidden[0] > 2 * hidden[1]


def test_a_figure_out_of_the_picture_or_behind_the_eye_is_not_drawn(kind: str) -> None:
    renderer = make_renderer(kind, ball())
    behind = (CAMERA.eye() - 2 * CAMERA.axes()[0]).tolist()
    for place in ([40.0, 2.0, 0.3], behind, [1.0, 2.0, -300.0]):
        image = renderer.draw([at(*place)], CAMERA).astype(int)
        assert (image[..., 0] - image[..., 1] > 60).sum() == 0
    renderer.close()


def test_the_light_from_above_casts_a_shadow_under_the_ball(kind: str) -> None:
    renderer = make_renderer(kind, ball(radius=0.2))
    lit = renderer.draw([at(60.0, 2.0, 0.6)], CAMERA).astype(int)
    shaded = renderer.draw([at(1.0, 2.0, 0.8)], CAMERA).astype(int)
    renderer.close()
    (column, row), *_ = CAMERA.project(torch.tensor([[1.0, 2.0, 0.0]]), *SIZE)[0].round().int().tolist()
    assert (lit - shaded)[row, column].min() > 20
    assert np.abs(lit - shaded)[row, column + 60].max() < 12
