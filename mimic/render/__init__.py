"""Pictures of what a character does: frames in, an MP4 out. Nothing else imports this room.

:func:`draw` takes a list of :class:`Frame` (body poses of the simulation and, if wanted, of the reference) and draws
them with OpenGL where that works and pybullet's TinyRenderer where it does not. :func:`motion_frames` makes frames of a
clip that is only played; :class:`LivePicture` draws frame by frame, as they come.
"""

from mimic.render.backend import APT_LINE, RENDERERS, Backend, Probe, choose_renderer, probe_egl
from mimic.render.film import RenderReport, draw, draw_image
from mimic.render.kinematic import motion_frames
from mimic.render.live import LivePicture
from mimic.render.scene import VIEWS, Frame, Pose
from mimic.render.video import RenderError

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
