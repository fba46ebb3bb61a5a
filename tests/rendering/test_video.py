"""A video is whole or not there."""

from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from mimic.core.errors import InputError
from mimic.rendering.video import RenderError, VideoWriter

SIZE = (64, 48)


def _frames(count: int) -> list[np.ndarray]:
    return [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(count)]


def test_a_written_video_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "clip.mp4"
    with VideoWriter(path, SIZE) as video:
        for frame in _frames(9):
            video.append(frame)
        assert not path.exists()
    movie = iio.imread(path)
    assert movie.shape == (9, 48, 64, 3)
    assert np.abs(movie.mean((1, 2, 3)) - 20 * np.arange(9)).max() < 4
    assert [p.name for p in path.parent.iterdir()] == ["clip.mp4"]


def test_an_interrupted_video_leaves_nothing_and_spares_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), VideoWriter(path, SIZE) as video:
        video.append(_frames(1)[0])
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_of_no_frames_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match=r"cannot write"), VideoWriter(tmp_path / "clip.mp4", SIZE):
        pass
    assert not list(tmp_path.iterdir())


def test_a_dying_ffmpeg_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="cannot write"), VideoWriter(tmp_path / "clip.mp4", SIZE) as video:
        video._ffmpeg.kill()
        video._ffmpeg.wait()
        for frame in _frames(9) * 20:
            video.append(frame)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "size"), [("clip.gif", SIZE), ("clip.mp4", (63, 48)), ("clip.mp4", (64, 0))])
def test_wrong_names_and_sizes_are_refused(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=r"mp4|even"):
        VideoWriter(tmp_path / name, size)


def test_a_path_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write"):
        VideoWriter(tmp_path / "file" / "clip.mp4", SIZE)
    with pytest.raises(ValueError, match="frame"), VideoWriter(tmp_path / "clip.mp4", SIZE) as video:
        video.append(np.zeros((48, 60, 3), np.uint8))
