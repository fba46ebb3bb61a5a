"""Describes a motion file in numbers that the command line prints or writes as JSON."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from characters.character import load_character
from mimic.core import program
from mocap.motion import Motion
from mocap.skeleton import Assumption, Clip, KeypointMotion, SkeletonMotion, character_motion_as_skeleton


def describe(clip: Clip) -> dict[str, Any]:
    """Describe a clip for JSON: kind, duration, bones, assumptions, and height above the ground."""
    points = stick_figure(clip)
    lowest, highest = points.pos_w[..., 2].amin(1), points.pos_w[..., 2].amax(1)
    way = points.pos_w[:, 0, :2].diff(dim=0).norm(dim=-1).sum() if points.num_frames > 1 else torch.zeros(())
    report: dict[str, Any] = {
        "name": clip.name,
        "kind": _KINDS[type(clip)],
        "format": points.conventions.format,
        "frames": clip.num_frames,
        "fps": round(points.fps or float(points.conventions.fps.value), 6),
        "duration_s": round(clip.duration, 6),
        "assumptions": {
            key: {"value": _plain(value.value), "by": value.by, "why": value.why}
            for key, value in _assumptions(points).items()
        },
        "warnings": list(points.conventions.warnings),
        "height_m": {
            "lowest": round(float(lowest.min()), 4),
            "median_lowest": round(float(lowest.median()), 4),
            "median_highest": round(float(highest.median()), 4),
        },
        "way_m": round(float(way), 4),
        "bones": [name for name in points.names if not _is_tip(name)],
        "tips": sum(map(_is_tip, points.names)),
    }
    if isinstance(clip, Motion):
        report |= {"character": clip.character, "loop": clip.loop}
    if isinstance(clip, KeypointMotion):
        report["seen_fraction"] = round(float(clip.seen.double().mean()), 6)
    return report | {"source": clip.source, "licence": clip.license}


def stick_figure(clip: Clip) -> KeypointMotion:
    """Convert any clip to points with parents, the lines of a stick figure.

    A skeleton's joints keep their names, and its end sites are called ``NAME/tip0``, ``NAME/tip1`` and so on. Key points
    are returned unchanged.
    """
    if isinstance(clip, KeypointMotion):
        return clip
    if isinstance(clip, Motion):
        clip = character_motion_as_skeleton(clip, load_character(clip.character))
    skeleton = clip.skeleton
    pos: Tensor = torch.cat((clip.positions_w(), clip.end_sites_w()), 1)
    tips = tuple(f"{skeleton.names[parent]}/tip{n}" for n, parent in enumerate(skeleton.end_site_parents))
    seen = torch.ones(pos.shape[:2], dtype=torch.bool)
    names, parents = skeleton.names + tips, skeleton.parents + skeleton.end_site_parents
    return KeypointMotion(clip.name, names, clip.times, pos, seen, clip.conventions, parents, clip.source, clip.license)


def retarget_command(clip: Clip, path: Path) -> str:
    """Return the command that retargets a foreign skeleton to the dog if it has a tail, else to the humanoid."""
    names = clip.skeleton.names if isinstance(clip, SkeletonMotion) else getattr(clip, "names", ())
    tail = any("tail" in name.lower() and "ponytail" not in name.lower() for name in names)
    return program.command(f"retarget {path} --character {'dog' if tail else 'humanoid'} --out {path.stem}.npz")


_KINDS: dict[type, str] = {
    Motion: "motion of one of our characters",
    SkeletonMotion: "motion of a skeleton",
    KeypointMotion: "key points",
}


def _assumptions(points: KeypointMotion) -> dict[str, Assumption]:
    reading = points.conventions
    return {"unit": reading.unit, "up": reading.up, "forward": reading.forward, "fps": reading.fps}


def _is_tip(name: str) -> bool:
    return "/tip" in name


def _plain(value: str) -> str:
    """Return a number with at most six significant digits; return other text unchanged."""
    try:
        return f"{float(value):.6g}"
    except ValueError:
        return value
