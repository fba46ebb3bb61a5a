"""Draws a list of frames as an MP4: plans the camera's path, then draws and captions one picture a frame."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import mujoco
import numpy as np
import torch
from torch import Tensor

from characters import Character
from mimic.core.errors import InputError
from mimic.rendering.backend import Backend, choose_renderer
from mimic.rendering.camera import Camera, find_cuts, plan, separation, side_azimuth, smooth_path, view_axes
from mimic.rendering.mujoco_renderer import MujocoRenderer
from mimic.rendering.overlay import Label, draw_caption
from mimic.rendering.scene import DrawnCharacter, Frame, Pose, drawn_characters, last_finite, visual_geoms
from mimic.rendering.video import FPS, RenderError, VideoWriter

SIZE = (960, 540)
_WORKERS = min(4, os.cpu_count() or 1)
Progress = Callable[[int, int], None]
Pictures = Generator[np.ndarray, None, None]
QUALITIES = ("draft", "good", "best")
_DOTS = ((214, 69, 40), (150, 110, 205))  # simulation: its right limbs; reference: its tint


class Renderer(Protocol):
    """A renderer draws one pose for each of its characters, until it is closed."""

    name: str

    def draw(self, poses: Sequence[Pose], camera: Camera) -> np.ndarray:
        """Draw one frame; return the picture (height, width, 3) uint8."""

    def close(self) -> None:
        """Free the renderer's memory."""


@dataclass(frozen=True)
class RenderReport:
    """A film: its file, renderer ('egl', 'ray' or 'tiny') and the reason for it, number of frames, and drawing time [s]."""

    path: Path
    renderer: str
    reason: str
    frames: int
    seconds: float


@dataclass(frozen=True)
class _Stage:
    figures: tuple[DrawnCharacter, ...]
    cameras: list[Camera]
    roots: list[Tensor]  # (T, 3) smoothed ground path of each figure


def draw(
    frames: Sequence[Frame],
    character: Character,
    out: Path,
    view: str = "side",
    size: tuple[int, int] = SIZE,
    renderer: str = "auto",
    fps: float = FPS,
    progress: Progress | None = None,
    quality: str = "draft",
) -> RenderReport:
    """Draw frames, ``fps`` [1/s] apart, into the MP4 ``out``.

    Args:
        view: 'side' draws the reference beside the simulation, 'ghost' draws it translucent in the same place.
        size: (width, height) [px], both even.
        renderer: 'auto', 'egl', 'ray' or 'tiny'.
        progress: called with (frames done, frames in all).
        quality: 'draft', 'good' or 'best': the number of rays of the renderer 'ray'. The others draw in one quality.

    Raises:
        InputError: no frames, an unknown view or renderer, an odd size, or a path that cannot be written.
        RenderError: a renderer failed while drawing.
    """
    start = time.monotonic()
    with VideoWriter(out, size, fps) as video:
        pictures, backend = _open(frames, character, view, size, renderer, fps, quality)
        with closing(pictures):
            for done, picture in enumerate(pictures, 1):
                video.append(picture)
                if progress is not None:
                    progress(done, len(frames))
    return RenderReport(out, backend.name, backend.reason, len(frames), time.monotonic() - start)


def draw_image(
    frames: Sequence[Frame],
    character: Character,
    index: int = 0,
    view: str = "side",
    size: tuple[int, int] = SIZE,
    renderer: str = "auto",
    fps: float = FPS,
    quality: str = "good",
) -> np.ndarray:
    """Draw frame ``index`` of the film; return the picture (height, width, 3) uint8.

    Raises errors as :func:`draw` does.
    """
    pictures, _ = _open(frames, character, view, size, renderer, fps, quality, only=index)
    with closing(pictures):
        return next(pictures)


def _open(
    frames: Sequence[Frame],
    character: Character,
    view: str,
    size: tuple[int, int],
    renderer: str,
    fps: float,
    quality: str,
    only: int | None = None,
) -> tuple[Pictures, Backend]:
    """Return a generator of the frames' pictures, or of the one with index ``only``, and the backend that draws them."""
    if not frames:
        raise InputError("nothing to draw: there are no frames; give at least one")
    frames = _finite(frames)
    model = character.mj_model()
    stage = _set_stage(frames, character, model, view, size, fps)
    machine, backend = open_renderer(renderer, model, stage.figures, size, quality)
    chosen = range(len(frames)) if only is None else [range(len(frames))[only]]
    return _pictures(frames, chosen, stage, machine, size), backend


def open_renderer(
    wanted: str, model: mujoco.MjModel, figures: Sequence[DrawnCharacter], size: tuple[int, int], quality: str = "draft"
) -> tuple[Renderer, Backend]:
    """Return a renderer for ``figures`` and its backend.

    Raises InputError as ``choose_renderer`` does, and for an unknown quality; RenderError if the renderer fails.
    """
    if quality not in QUALITIES:
        raise InputError(f"quality '{quality}' is none of {', '.join(QUALITIES)}")
    backend = choose_renderer(wanted)
    try:
        return _make(backend.name, model, figures, size, quality), backend
    except Exception as error:  # whatever an OpenGL library raises
        if wanted != "auto" or backend.name != "egl":
            raise RenderError(f"renderer '{backend.name}' failed: {error}") from error
        backend = Backend("ray", f"OpenGL failed after all ({error})")
        return _make("ray", model, figures, size, quality), backend


def _make(
    name: str, model: mujoco.MjModel, figures: Sequence[DrawnCharacter], size: tuple[int, int], quality: str
) -> Renderer:
    if name == "egl":
        return MujocoRenderer(model, figures, size)
    if name == "tiny":
        from mimic.rendering.tiny_renderer import TinyRenderer  # imports pybullet's loader: only where it is wanted

        return TinyRenderer(model, figures, size)
    from mimic.rendering.ray_renderer import RayRenderer

    return RayRenderer(model, figures, size, quality)


def _pictures(
    frames: Sequence[Frame], chosen: Sequence[int], stage: _Stage, machine: Renderer, size: tuple[int, int]
) -> Pictures:
    def one(index: int) -> np.ndarray:
        frame = frames[index]
        poses = [frame.sim] if frame.reference is None else [frame.sim, frame.reference]
        try:
            picture = machine.draw(poses, stage.cameras[index])
        except Exception as error:
            raise RenderError(f"drawing frame {index} failed: {error}") from error
        return draw_caption(picture, frame.clip, frame.time, frame.reward, _labels(stage, index, size))

    workers = _WORKERS if machine.name == "ray" and len(chosen) > 1 else 1  # the others draw on one thread
    try:
        if workers == 1:
            yield from map(one, chosen)
            return
        with ThreadPoolExecutor(workers) as pool:
            waiting: deque[Future[np.ndarray]] = deque()
            for index in chosen:
                waiting.append(pool.submit(one, index))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        machine.close()


def _set_stage(
    frames: Sequence[Frame], character: Character, model: mujoco.MjModel, view: str, size: tuple[int, int], fps: float
) -> _Stage:
    clouds = [torch.stack([frame.sim.pos for frame in frames])]
    with_reference = frames[0].reference is not None
    if with_reference:
        clouds.append(torch.stack([frame.reference.pos for frame in frames if frame.reference is not None]))
    azimuth = side_azimuth(torch.stack([(frame.reference or frame.sim).quat[0] for frame in frames]))
    cuts = find_cuts(clouds[0][:, 0], fps)
    apart = max(separation(cloud, azimuth) for cloud in clouds)
    geoms = visual_geoms(model, [body.name for body in character.bodies])
    figures = drawn_characters(geoms, view, with_reference, -apart * view_axes(azimuth)[1])
    clouds = [cloud + figure.offset for cloud, figure in zip(clouds, figures, strict=True)]
    cameras = plan(torch.cat(clouds, 1), azimuth, size[0] / size[1], fps, cuts)
    return _Stage(figures, cameras, [smooth_path(cloud[:, 0], fps, cuts) for cloud in clouds])


def _labels(stage: _Stage, index: int, size: tuple[int, int]) -> list[Label]:
    labels = []
    for figure, root, dot in zip(stage.figures, stage.roots, _DOTS, strict=False):
        if figure.label:
            pixels, _ = stage.cameras[index].project(root[index : index + 1], *size)
            labels.append(Label(figure.label, float(pixels[0, 0]), dot))
    return labels[::-1]  # the reference stands at the left, so its label stays there


def _finite(frames: Sequence[Frame]) -> list[Frame]:
    """Replace each pose that is not finite (a diverged simulation) by the last finite one."""
    with_reference = frames[0].reference is not None
    kept: list[Frame] = []
    for frame in frames:
        if (frame.reference is not None) != with_reference:
            raise InputError("some frames have a reference and some have none; give every frame one, or none")
        before = kept[-1] if kept else None
        sim = last_finite(frame.sim, before.sim if before else None)
        reference = frame.reference and last_finite(frame.reference, before.reference if before else None)
        kept.append(replace(frame, sim=sim, reference=reference))
    return kept
