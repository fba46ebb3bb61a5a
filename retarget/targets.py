"""Target poses of the character's key bodies in every frame: the recording at the character's proportions.

``scaled_source`` scales the recording to the length of the character's legs and puts it on the ground. The trunk keeps
the recording's curve (``torso_targets``). Limbs keep the recording's directions at the character's lengths; a limb's
end is as far from its base, in proportion, as in the recording (``limb_targets``). Orientations follow from the same
directions (``frames``). Apart from constants of the whole clip, no frame depends on its neighbours.
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
        pos: position (T, 3) [m] of each role with a target.
        quat: orientation (T, 4) wxyz of each body, by index.
        contact: (T,) bool for each foot, toe, paw or hand: whether it stands on the ground.
        turned: (T,) [rad] for each body: the angles by which its recorded bone and its parent's turned since the previous
            frame, added.
        scale: length of the character's legs divided by that of the recording's.
        longer_foot: length [m] by which the recording's feet, at that scale, are longer than the character's; at least 0.
        noisy_contacts: whether standing paws jitter and drift, as in clips that were retargeted before.
        flight: (T,) bool of a recording whose height was found anew: whether it is in the air; None of others.
        hand_keyed: whether an animator made the motion, so that feet may slide although they stand.
    """

    times: Tensor
    pos: dict[str, Tensor]
    quat: dict[int, Tensor]
    contact: dict[str, Tensor]
    turned: dict[int, Tensor]
    scale: float
    noisy_contacts: bool = False
    longer_foot: float = 0.0
    flight: Tensor | None = None
    hand_keyed: bool = False

    def __len__(self) -> int:
        return len(self.times)

    def cut(self, first: int, last: int) -> Targets:
        """Return frames ``first`` to ``last``, both included, starting at time 0."""
        span = slice(first, last + 1)
        return replace(
            self,
            times=self.times[span] - self.times[first],
            pos={role: values[span] for role, values in self.pos.items()},
            quat={body: values[span] for body, values in self.quat.items()},
            contact={role: values[span] for role, values in self.contact.items()},
            turned={body: values[span] for body, values in self.turned.items()},
            flight=None if self.flight is None else self.flight[span],
        )


def make_targets(rig: RetargetRig, source: Source, mapping: Mapping, already_retargeted: bool = False) -> Targets:
    """Compute the targets for the whole recording. Raises ClipError if the recording's legs have no length.

    ``already_retargeted`` tells that the clip was retargeted before, which makes a dog's standing paws drift.
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
        longer_foot=0.0 if rig.digitigrade else scaled.longer_foot(),
        hand_keyed=source.hand_keyed,
    )
