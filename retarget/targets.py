"""Target poses of the character's key bodies in every frame: the recording at the character's proportions.

The recording is scaled so that its legs are the character's, and set down so that it stands at the character's height
(``scaled_source``). The trunk keeps its curve (``torso_targets``); limbs keep the recording's directions at the character's
lengths, and their ends the recording's reach (``limb_targets``). Orientations follow from the same directions
(``frames``). Nothing here depends on neighbouring frames, apart from constants of the whole clip.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from characters.roles import SIDES
from retarget.limb_targets import hands, limb
from retarget.mapping import Mapping
from retarget.retarget_rig import RetargetRig
from retarget.scaled_source import ScaledSource
from retarget.source import Source
from retarget.torso_targets import trunk


@dataclass(frozen=True, eq=False)
class Targets:
    """The solver's targets over T frames.

    Attributes:
        times: (T,) [s].
        pos: role -> (T, 3) [m], of all roles that are aimed at.
        quat: body index -> orientation (T, 4).
        contact: role of a foot, toe, paw or hand -> (T,) bool, whether it stands on the ground.
        turned: body index -> (T,) [rad] how far the scaled bone and the one above it turn from the frame before.
        scale: the character's legs over the recording's.
        noisy_contacts: paws stand less surely than in a recording.
    """

    times: Tensor
    pos: dict[str, Tensor]
    quat: dict[int, Tensor]
    contact: dict[str, Tensor]
    turned: dict[int, Tensor]
    scale: float
    noisy_contacts: bool = False

    def __len__(self) -> int:
        return len(self.times)

    def cut(self, first: int, last: int) -> Targets:
        """Frames ``first`` to ``last``, both included, starting at time 0."""
        span = slice(first, last + 1)
        return replace(
            self,
            times=self.times[span] - self.times[first],
            pos={role: values[span] for role, values in self.pos.items()},
            quat={body: values[span] for body, values in self.quat.items()},
            contact={role: values[span] for role, values in self.contact.items()},
            turned={body: values[span] for body, values in self.turned.items()},
        )


def make_targets(rig: RetargetRig, source: Source, mapping: Mapping, already_retargeted: bool = False) -> Targets:
    """Targets for the whole recording. Raises ClipError if the recording's legs have no length.

    ``already_retargeted``: the clip was retargeted once before, so that a dog's paws drift while they should stand.
    """
    scaled = ScaledSource(rig, source, mapping, already_retargeted and rig.digitigrade)
    partial = trunk(scaled)
    for side in SIDES:
        for base, above in ((f"{side}_hip", "pelvis"), (f"{side}_shoulder", "chest")):
            partial |= limb(scaled, base, partial.pos[base], partial.quat[rig.body_of(above)])
    if not rig.digitigrade:
        partial |= hands(scaled)
    return Targets(
        times=source.times,
        pos=partial.pos,
        quat=partial.quat,
        contact=partial.contact,
        turned=scaled.turned(),
        scale=scaled.scale,
        noisy_contacts=scaled.noisy_contacts,
    )
