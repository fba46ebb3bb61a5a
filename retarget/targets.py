"""Where every key body of the character should be, frame by frame: the recording at the character's own proportions.

The recording is scaled so that its legs are the character's, and set down so that it stands at the character's height
(``recorded.py``). The trunk keeps its curve (``trunk.py``); limbs keep the recording's directions at the character's
lengths, and their ends the recording's reach (``limbs.py``). Orientations follow from the same directions
(``frames.py``). Nothing here depends on neighbouring frames, apart from constants of the whole clip.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from characters.roles import SIDES
from retarget.limb_targets import hands, limb
from retarget.mapping import Mapping
from retarget.retarget_rig import Figure
from retarget.scaled_source import Recorded
from retarget.source import Source
from retarget.torso_targets import trunk


@dataclass(frozen=True, eq=False)
class Targets:
    """What the solver aims at, T frames.

    Attributes:
        times: (T,) [s].
        pos: role -> (T, 3) [m], of all roles that are aimed at.
        quat: body index -> orientation (T, 4).
        contact: role of a foot, toe, paw or hand -> (T,) bool, whether it stands on the ground.
        turned: body index -> (T,) [rad] how far the recorded bone and the one above it turn from the frame before.
        scale: the character's legs over the recording's.
        drifting: paws stand less surely than in a recording.
    """

    times: Tensor
    pos: dict[str, Tensor]
    quat: dict[int, Tensor]
    contact: dict[str, Tensor]
    turned: dict[int, Tensor]
    scale: float
    drifting: bool = False

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


def make_targets(figure: Figure, source: Source, mapping: Mapping, published: bool = False) -> Targets:
    """Targets for the whole recording. Raises ClipError where the recording has no size.

    ``published``: somebody has retargeted it before, and a dog's paws drift where they should stand.
    """
    recorded = Recorded(figure, source, mapping, published and figure.digitigrade)
    placed = trunk(recorded)
    for side in SIDES:
        for base, above in ((f"{side}_hip", "pelvis"), (f"{side}_shoulder", "chest")):
            placed |= limb(recorded, base, placed.pos[base], placed.quat[figure.body_of(above)])
    if not figure.digitigrade:
        placed |= hands(recorded)
    return Targets(
        times=source.times,
        pos=placed.pos,
        quat=placed.quat,
        contact=placed.contact,
        turned=recorded.turned(),
        scale=recorded.scale,
        drifting=recorded.drifting,
    )
