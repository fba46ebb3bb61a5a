"""Edits of motions: cut, resample, mirror, move to the origin, remove travel, and find, close and repeat cycles.

Every edit is a function that takes a motion and returns a new one. A function that needs the skeleton also takes the
character.
"""

from mocap.editing.closing import Seam, blend_end, close_loop, seam_of
from mocap.editing.cycles import best_cycle, extract_cycle, find_cycle, heading_change, keeps_turning, repeat_cycles
from mocap.editing.placing import from_origin, in_place, mirror
from mocap.editing.resampling import Interpolation, cut, resample, resample_at, resample_skeleton, subdivide

__all__ = [
    "Interpolation",
    "Seam",
    "best_cycle",
    "blend_end",
    "close_loop",
    "cut",
    "extract_cycle",
    "find_cycle",
    "from_origin",
    "heading_change",
    "in_place",
    "keeps_turning",
    "mirror",
    "repeat_cycles",
    "resample",
    "resample_at",
    "resample_skeleton",
    "seam_of",
    "subdivide",
]
