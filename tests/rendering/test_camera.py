"""The camera keeps everything in view, moves without jerk, and agrees with the renderer's matrices."""

import math

import numpy as np
import torch

from mimic.core.rotations import quat_from_yaw
from mimic.rendering.camera import FARTHEST, SIDE_ANGLE, Camera, find_cuts, plan, separation, side_azimuth, view_axes
from mimic.rendering.tiny_renderer import _frustum, _view

FPS, ASPECT = 30.0, 16 / 9


def _walk(frames: int = 120, speed: float = 1.5) -> torch.Tensor:
    """Body origins (T, 4, 3): a root that walks along x with a bob, a head, a foot and a hand that swings."""
    t = torch.arange(frames, dtype=torch.float64) / FPS
    root = torch.stack((speed * t, 0.05 * torch.sin(9 * t), 0.9 + 0.04 * torch.sin(18 * t)), -1)
    hand = torch.stack((0.4 * torch.sin(9 * t), torch.full_like(t, 0.3), torch.zeros_like(t)), -1)
    shift = torch.tensor([[0, 0, 0], [0, 0, 0.6], [0, 0, -0.85]], dtype=torch.float64)
    return torch.cat((root[:, None] + shift, (root + hand)[:, None]), 1)


def test_axes_are_right_handed_and_the_middle_is_where_it_looks() -> None:
    camera = Camera(torch.tensor([1.0, -2.0, 0.7], dtype=torch.float64), 5.0, 0.8, -0.3)
    forward, right, up = camera.axes()
    assert torch.allclose(torch.linalg.cross(right, up), -forward, atol=1e-12)
    pixel, depth = camera.project(camera.lookat[None], 640, 360)
    assert torch.allclose(pixel, torch.tensor([[320.0, 180.0]], dtype=torch.float64))
    assert abs(float(depth) - 5.0) < 1e-12


def test_projection_agrees_with_opengl_matrices() -> None:
    camera = Camera(torch.tensor([1.0, -2.0, 0.7], dtype=torch.float64), 5.0, 2.1, -0.2)
    points = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    clip = (
        np.concatenate([points.numpy(), np.ones((50, 1))], 1)
        @ (_frustum(camera.fov_y, ASPECT, (0, 1, 0, 1)) @ _view(camera)).T
    )
    x, y = (1 + clip[:, 0] / clip[:, 3]) * 320, (1 - clip[:, 1] / clip[:, 3]) * 180
    assert np.allclose(np.stack([x, y], 1), camera.project(points, 640, 360)[0].numpy(), atol=1e-9)


def test_everything_stays_in_the_picture() -> None:
    points = _walk()
    for frame, camera in enumerate(plan(points, 2.0, ASPECT, FPS)):
        pixels, _ = camera.project(points[frame], 640, 360)
        assert pixels.min() > 0 and bool((pixels < torch.tensor([640.0, 360.0])).all())


def test_the_camera_glides() -> None:
    cameras = plan(
        _walk() + 0.02 * torch.randn(120, 4, 3, generator=torch.Generator().manual_seed(1)), 2.0, ASPECT, FPS
    )
    eyes = torch.stack([camera.eye() for camera in cameras])
    acceleration = eyes.diff(dim=0).diff(dim=0).norm(dim=-1) * FPS**2
    assert float(acceleration.max()) < 2.0  # [m/s^2]; the points themselves jitter at about 40
    assert {camera.azimuth for camera in cameras} == {2.0}


def test_the_camera_jumps_where_the_scene_does() -> None:
    points = torch.cat((_walk(), _walk()))
    cuts = find_cuts(points[:, 0], FPS)
    assert cuts == [120]
    cameras = plan(points, 2.0, ASPECT, FPS, cuts)
    single = plan(_walk(), 2.0, ASPECT, FPS)
    assert all(torch.equal(a.lookat, b.lookat) for a, b in zip(cameras[120:], single, strict=True))


def test_figures_that_part_company_are_followed_only_so_far() -> None:
    points = _walk()
    points[:, 0, 0] -= torch.linspace(0, 80, 120)
    assert max(camera.distance for camera in plan(points, 2.0, ASPECT, FPS)) <= FARTHEST


def test_a_figure_is_seen_from_ahead_and_its_right_wherever_it_faces() -> None:
    for yaw in (0.0, 1.0, -2.5, 3.1):
        azimuth = side_azimuth(quat_from_yaw(torch.full((10,), yaw, dtype=torch.float64)))
        assert abs(math.remainder(azimuth - yaw - SIDE_ANGLE, 2 * math.pi)) < 1e-6
        forward = view_axes(azimuth)[0]
        ahead, its_right = (
            torch.tensor([math.cos(yaw), math.sin(yaw), 0]),
            torch.tensor([math.sin(yaw), -math.cos(yaw), 0]),
        )
        assert float(forward @ ahead.double()) < -0.3 and float(forward @ its_right.double()) < -0.3


def test_figures_stand_clear_of_each_other() -> None:
    points = _walk()
    azimuth = 2.0
    right = view_axes(azimuth)[1]
    across = (points - points[:, :1]) @ right
    apart = separation(points, azimuth)
    assert float((across + apart).min() - across.max()) > 0.3
