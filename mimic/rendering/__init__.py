"""Draws a character in motion, as MP4 or as single pictures.

:func:`draw` takes a list of :class:`Frame` (body poses of the simulation and, if wanted, of the reference). It draws them
with OpenGL on a GPU if that works, else by ray casting on the CPU. :func:`motion_frames` makes frames of a clip without
physics; :class:`LivePicture` draws one frame at a time.
"""

from mimic.rendering.backend import APT_LINE, RENDERERS, Backend, Probe, choose_renderer, probe_egl
from mimic.rendering.film import RenderReport, draw, draw_image
from mimic.rendering.kinematic import motion_frames
from mimic.rendering.live import LivePicture
from mimic.rendering.scene import VIEWS, Frame, Pose
from mimic.rendering.video import RenderError

__all__ = [
    "APT_LINE",
    "RENDERERS",
    "VIEWS",
    "Backend",
    "Frame",
    "LivePicture",
    "Pose",
    "Probe",
    "RenderError",
    "RenderReport",
    "choose_renderer",
    "draw",
    "draw_image",
    "motion_frames",
    "probe_egl",
]
