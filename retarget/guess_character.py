"""Guesses which of our characters a recording is meant for."""

import re

from mimic.core.errors import InputError
from mocap.skeleton import KeypointMotion, SkeletonMotion
from retarget.pipeline import joints_by_role
from retarget.source import Source

_BEAST = re.compile(r"(?<!pony)(?<!pig)(?<!coat)tail|paw|hoof|snout|muzzle", re.IGNORECASE)


def guess_character(clip: SkeletonMotion | KeypointMotion) -> str:
    """Return "dog" for a recording with a tail or paws by name, or whose trunk lies level at rest, else "humanoid".

    The motion counts in place of the rest pose if the file has none.
    """
    names = clip.skeleton.names if isinstance(clip, SkeletonMotion) else clip.names
    if any(_BEAST.search(name) for name in names):
        return "dog"
    try:
        roles = joints_by_role(clip)
    except InputError:
        return "humanoid"
    source = Source.of(clip)
    pos = source.pos_w if source.rest_w is None else source.rest_w[None]
    back = pos[:, source.names.index(roles["chest"])] - pos[:, source.names.index(roles["pelvis"])]
    steep = back[:, 2].abs() > back[:, :2].norm(dim=-1)
    return "humanoid" if float(steep.double().mean()) >= 0.5 else "dog"
