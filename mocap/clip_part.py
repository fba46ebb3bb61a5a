"""Part of a clip, or its mirror image, written behind the clip's name: ``walk@0.5-2``, ``walk@mirror``, ``walk@0.5-2@mirror``.

The name of a controller's clip therefore says all that is needed to load it again.
"""

import re
from dataclasses import dataclass, replace

import torch

from characters.character import load_character
from mimic.core.errors import InputError
from mocap.editing import cut, mirror
from mocap.motion import Motion

_NUMBER = r"\d+(?:\.\d+)?"
_FORM = re.compile(rf"(?P<clip>.+?)(?:@(?P<start>{_NUMBER})-(?P<end>{_NUMBER}))?(?P<mirror>@mirror)?", re.DOTALL)


@dataclass(frozen=True)
class ClipPart:
    """What a name asks for.

    Attributes:
        clip: the name or path of the clip.
        span: start and end [s]; None is the whole clip.
        mirrored: whether left and right are swapped.
    """

    clip: str
    span: tuple[float, float] | None = None
    mirrored: bool = False

    @property
    def name(self) -> str:
        """The name that `clip_part` reads back."""
        span = f"@{self.span[0]:g}-{self.span[1]:g}" if self.span else ""
        return f"{self.clip}{span}{'@mirror' if self.mirrored else ''}"

    @property
    def suffix(self) -> str:
        """The name without the clip: empty for a whole clip as it is."""
        return self.name[len(self.clip) :]

    def of(self, motion: Motion) -> Motion:
        """Return the part of ``motion``, named like it with the suffix. Raises InputError if no two frames are in the span.

        A part with a span plays once.
        """
        if self.span:
            motion = replace(_between(motion, *self.span), loop=False)
        if self.mirrored:
            motion = mirror(motion, load_character(motion.character))
        return replace(motion, name=motion.name + self.suffix)


def clip_part(name: str) -> ClipPart:
    """Read the name of a clip with or without a part."""
    found = _FORM.fullmatch(name)
    if found is None:
        return ClipPart(name)
    span = None if found["start"] is None else (float(found["start"]), float(found["end"]))
    return ClipPart(found["clip"], span, found["mirror"] is not None)


def _between(motion: Motion, start: float, end: float) -> Motion:
    """Return the frames of ``motion`` from ``start`` to ``end`` [s], moved so that the first is above the origin."""
    inside = ((motion.times >= start - 1e-6) & (motion.times <= end + 1e-6)).nonzero()[:, 0]
    if len(inside) < 2:
        raise InputError(
            f"{motion.name}: no two frames between {start:g} s and {end:g} s; the clip lasts {motion.duration:.2f} s"
        )
    part = cut(motion, int(inside[0]), int(inside[-1]))
    origin = part.root_pos_w[0] * torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
    return replace(part, root_pos_w=part.root_pos_w - origin)
