"""The painted ground is the model's ground."""

import numpy as np
import torch

from characters import load_character
from mimic.rendering.background import Background, Look
from tests.rendering.stage import CAMERA, SIZE, world


def test_the_look_is_read_from_the_model() -> None:
    look = Look.of(world())
    assert np.allclose(look.cell_a, 0.7, atol=0.01) and np.allclose(look.cell_b, 0.8, atol=0.01)
    assert look.cell == 0.5 and look.to_light == (0, 0, 1)
    assert Look.of(load_character("humanoid").mj_model()).cell == 0.5


def test_cells_alternate_where_the_camera_sees_them() -> None:
    look = Look(line_width=1e-9, brightness=1.0)
    image = Background(look, SIZE, CAMERA).paint(CAMERA)
    shades = np.zeros((2, 2))
    for x in (0, 1):
        for y in (0, 1):
            middle = torch.tensor([[1.0 + x - 0.5, 2.0 + y - 0.5, 0.0]])
            column, row = CAMERA.project(middle, *SIZE)[0][0].int().tolist()
            shades[x, y] = image[row, column, 0] / 255
    bright, dark = look.cell_a[0], look.cell_b[0]
    assert np.allclose(sorted(shades.ravel()), [dark, dark, bright, bright], atol=0.01)
    assert abs(shades[0, 0] - shades[1, 1]) < 0.01 < abs(shades[0, 0] - shades[0, 1])


def test_ground_points_are_the_inverse_of_projection() -> None:
    background = Background(Look(), SIZE, CAMERA)
    rows, columns = slice(100, 110), slice(40, 60)
    ground = torch.from_numpy(background.floor_points(CAMERA, rows, columns)).double().reshape(-1, 2)
    pixels, _ = CAMERA.project(torch.cat((ground, torch.zeros(len(ground), 1)), 1), *SIZE)
    expected = torch.cartesian_prod(torch.arange(100, 110) + 0.5, torch.arange(40, 60) + 0.5).flip(1)
    assert torch.allclose(pixels, expected.double(), atol=0.01)


def test_the_far_ground_fades_into_the_horizon_without_shimmer() -> None:
    background = Background(Look(), SIZE, CAMERA)
    image = background.paint(CAMERA)
    row = background.first_ground_row
    assert np.abs(image[row] - 255 * np.array(Look().sky_horizon)).max() < 1
    assert np.abs(image[row - 1] - image[row]).max() < 6
