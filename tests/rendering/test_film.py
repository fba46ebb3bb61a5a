"""Frames become a film, whatever is wrong with some of them or with a renderer."""

from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import torch

from characters import Character, CharacterState, Kinematics, load_character
from mimic.core.errors import InputError
from mimic.core.rotations import quat_from_rotvec
from mimic.rendering import Frame, Pose, RenderError, draw, draw_image, film
from mimic.rendering.backend import Backend
from mimic.rendering.ray_renderer import RayRenderer

SIZE = (192, 108)


def _frames(character: Character, count: int = 4, with_reference: bool = True) -> list[Frame]:
    joints = torch.zeros(count, len(character.joints), 3, dtype=torch.float64)
    joints[:, :, 1] = torch.linspace(0, 0.5, count)[:, None]
    zeros = torch.zeros(count, 3, dtype=torch.float64)
    root = zeros + torch.tensor([0.0, 0.0, 0.9])
    upright = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64).expand(count, 4)
    velocity = torch.zeros(count, character.num_actuated, dtype=torch.float64)
    state = CharacterState(root, upright, zeros, zeros, quat_from_rotvec(joints), velocity)
    bodies = Kinematics(character, dtype=torch.float64).forward(state)
    poses = [Pose.of(bodies, i) for i in range(count)]
    return [Frame(i / 30, pose, poses[0] if with_reference else None, "test", 0.5) for i, pose in enumerate(poses)]


@pytest.mark.parametrize("view", ["side", "ghost"])
def test_a_film_has_its_frames(view: str, tmp_path: Path) -> None:
    dog = load_character("dog")
    seen: list[tuple[int, int]] = []
    report = draw(
        _frames(dog), dog, tmp_path / "a.mp4", view, SIZE, "ray", progress=lambda done, of: seen.append((done, of))
    )
    assert (report.frames, report.renderer, report.path) == (4, "ray", tmp_path / "a.mp4")
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    movie = iio.imread(report.path)
    assert movie.shape == (4, 108, 192, 3)
    assert np.abs(movie[0].astype(int) - movie[3]).max() > 60


def test_the_simulation_stands_to_the_right_of_the_reference() -> None:
    humanoid = load_character("humanoid")
    alone = draw_image(_frames(humanoid, with_reference=False), humanoid, 0, size=SIZE, renderer="ray").astype(int)
    beside = draw_image(_frames(humanoid), humanoid, 0, size=SIZE, renderer="ray").astype(int)

    def red_columns(image: np.ndarray) -> np.ndarray:  # its right arm and leg; the reference is paler
        return np.nonzero((image[30:90, :, 0] - image[30:90, :, 2] > 110).any(0))[0]

    assert abs(red_columns(alone).mean() - SIZE[0] / 2) < 15
    assert red_columns(beside).mean() > SIZE[0] / 2 + 10


def test_a_pose_that_blew_up_is_drawn_as_the_one_before(tmp_path: Path) -> None:
    dog = load_character("dog")
    frames = _frames(dog)
    frames[2] = replace(frames[2], sim=Pose(frames[2].sim.pos * float("nan"), frames[2].sim.quat))
    assert draw(frames, dog, tmp_path / "a.mp4", size=SIZE, renderer="ray").frames == 4
    with pytest.raises(InputError, match="first frame"):
        draw(frames[2:], dog, tmp_path / "b.mp4", size=SIZE, renderer="ray")


def test_a_renderer_that_fails_to_start_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no context")

    monkeypatch.setattr(film, "choose_renderer", lambda wanted: Backend("egl", "probed"))
    monkeypatch.setattr(film, "MujocoRenderer", broken)
    dog = load_character("dog")
    report = draw(_frames(dog), dog, tmp_path / "a.mp4", size=SIZE)
    assert report.renderer == "ray" and "no context" in report.reason
    with pytest.raises(RenderError, match="no context"):
        draw(_frames(dog), dog, tmp_path / "b.mp4", size=SIZE, renderer="egl")


def test_a_renderer_that_breaks_down_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("lost context")

    monkeypatch.setattr(RayRenderer, "draw", broken)
    dog = load_character("dog")
    with pytest.raises(RenderError, match=r"frame 0.*lost context"):
        draw(_frames(dog), dog, tmp_path / "a.mp4", size=SIZE, renderer="ray")
    assert not list(tmp_path.iterdir())


def test_a_film_of_no_frames_or_of_unlike_frames_is_refused(tmp_path: Path) -> None:
    dog = load_character("dog")
    with pytest.raises(InputError, match="no frames"):
        draw([], dog, tmp_path / "a.mp4")
    mixed = _frames(dog)
    mixed[1] = replace(mixed[1], reference=None)
    with pytest.raises(InputError, match="every frame"):
        draw(mixed, dog, tmp_path / "a.mp4", renderer="ray")
    assert not list(tmp_path.iterdir())


def test_quality_changes_the_picture_and_an_unknown_one_is_refused(tmp_path: Path) -> None:
    dog = load_character("dog")
    draft, good = (draw_image(_frames(dog), dog, 0, size=SIZE, renderer="ray", quality=q) for q in ("draft", "good"))
    assert 0 < np.abs(draft.astype(int) - good).mean() < 5.0
    with pytest.raises(InputError, match="quality 'superb' is none of draft, good, best"):
        draw(_frames(dog), dog, tmp_path / "a.mp4", size=SIZE, renderer="ray", quality="superb")
