"""The recording by role, scaled to the character's size and moved to its standing height.

The recording is scaled so that its legs are as long as the character's. A tilted floor is levelled, and the recording
is lifted or lowered so that standing feet are at the character's height. Later steps do not change it.
"""

import itertools

import torch
from torch import Tensor

from characters.roles import SIDES, part_of
from mimic.core.errors import ClipError
from mimic.core.rotations import quat_angle, quat_conj, quat_mul
from retarget.contacts import MAX_RISE, find_contact, speed, standing_level, tilted_floor
from retarget.frames import UP, unit
from retarget.mapping import Mapping
from retarget.retarget_rig import RetargetRig
from retarget.source import Source

_LONGER_FOOT = 0.1  # [m]


class ScaledSource:
    """A scaled recording of T frames, by role. Raises ClipError if the recording's legs have no length.

    Attributes:
        rig: the character whose size the recording is scaled to.
        mapping: the recording's joints by role.
        points: (T, J, 3) [m] scaled positions of the recording's joints.
        scale: length of the character's legs divided by that of the recording's.
        noisy_contacts: whether standing paws jitter and drift, as in clips that were retargeted before.
    """

    def __init__(self, rig: RetargetRig, source: Source, mapping: Mapping, noisy_contacts: bool):
        self.rig, self.mapping, self.noisy_contacts = rig, mapping, noisy_contacts
        self._source = source
        legs = [self.recorded_length(f"{side}_hip") for side in SIDES]
        own = [self.own_length(f"{side}_hip") for side in SIDES]
        if min(legs) <= 0:
            raise ClipError(
                f"{source.name}: the legs have no length: hip, knee and ankle coincide; check the recording and the --map"
            )
        self.scale = sum(own) / sum(legs)
        self.points = source.pos_w * self.scale
        self.points[..., 2] -= self._slope()
        end = self.limb_roles("left_hip")[-1]
        self.points = self.points + (rig.clearance(end) - self.level(part_of(end))) * UP

    def has(self, role: str) -> bool:
        """Whether the recording has a joint of this role."""
        return role in self.mapping.joints

    def pos(self, role: str) -> Tensor:
        """Return the position (T, 3) [m] of a role."""
        return self.points[:, self.mapping.joints[role]]

    def rotation(self, role: str) -> Tensor | None:
        """Return the recorded orientation (T, 4) wxyz of a role; None if the recording has none."""
        quat = self._source.quat_w
        return None if quat is None or not self.has(role) else quat[:, self.mapping.joints[role]]

    def turn_at_rest(self, role: str, other: str) -> Tensor | None:
        """Return the rotation (4,) from the frame of ``role`` to that of ``other`` at the file's rest pose, or None."""
        rest = self._source.rest_quat_w
        if rest is None or not (self.has(role) and self.has(other)):
            return None
        return quat_mul(quat_conj(rest[self.mapping.joints[role]]), rest[self.mapping.joints[other]])

    def middle(self, part: str) -> Tensor:
        """Return the midpoint (T, 3) [m] between the left and the right joint of a part such as "hip"."""
        return (self.pos(f"left_{part}") + self.pos(f"right_{part}")) / 2

    def lateral(self, part: str) -> Tensor:
        """Return the vector (T, 3) [m] from the right joint of a part to the left one."""
        return self.pos(f"left_{part}") - self.pos(f"right_{part}")

    def limb_roles(self, base: str) -> tuple[str, ...]:
        """Return the roles of the limb that starts at ``base`` and that both recording and rig have, trunk first."""
        return tuple(role for role in self.rig.limb(base) if self.has(role))

    def recorded_length(self, base: str) -> float:
        """Return the sum [m] of a limb's bone lengths in the recording, before scaling."""
        joints = [self.mapping.joints[role] for role in self.limb_roles(base)]
        pos = self._source.pos_w
        return sum(float((pos[:, a] - pos[:, b]).norm(dim=-1).median()) for a, b in itertools.pairwise(joints))

    def own_length(self, base: str) -> float:
        """Return the sum [m] of the lengths of the same bones in the character."""
        roles = self.limb_roles(base)
        return sum(self.rig.length(a, b) for a, b in itertools.pairwise(roles))

    def longer_foot(self) -> float:
        """Return the length [m] by which the scaled recording's feet are longer than the character's; 0 below 0.1 m."""
        sides = [side for side in SIDES if self.has(f"{side}_toe") and f"{side}_toe" in self.rig]
        longer = [
            float((self.pos(f"{side}_toe") - self.pos(f"{side}_ankle")).norm(dim=-1).median())
            - self.rig.length(f"{side}_ankle", f"{side}_toe")
            for side in sides
        ]
        return max((*longer, 0.0)) if max((*longer, 0.0)) > _LONGER_FOOT else 0.0

    def foot_joints(self, side: str) -> list[int]:
        """Return the indices of the ankle of a side and of all joints below it."""
        found = [self.mapping.joints[f"{side}_ankle"]]
        for joint, parent in enumerate(self._source.parents):
            if parent in found:
                found.append(joint)
        return found

    def rest_height(self, joint: int) -> float:
        """Return the height [m] of a joint above the lowest of the figure, at the file's rest pose.

        Without a rest pose, the height is 0 for the lowest joint of the clip, and for others that above it.
        """
        z = self.points[..., 2].amin(0) if self._source.rest_w is None else self._source.rest_w[:, 2] * self.scale
        return float(z[joint] - z.min())

    def level(self, part: str) -> float:
        """Return the height [m] of a part's joint when it stands, the lower of left and right."""
        roles = [f"{side}_{part}" for side in SIDES if self.has(f"{side}_{part}")]
        return min(standing_level(self.pos(role), self._source.times) for role in roles)

    def contact(self, role: str, level: float, rise: float = MAX_RISE) -> Tensor:
        """Return (T,) bool: whether the joint is slow and less than ``rise`` [m] above ``level`` [m]."""
        pelvis = self.middle("hip") * torch.tensor([1.0, 1.0, 0.0])
        times = self._source.times
        return find_contact(
            self.pos(role), times, level, rise, speed(pelvis, times), self.noisy_contacts, self._source.hand_keyed
        )

    def turned(self) -> dict[int, Tensor]:
        """Return for each body, by index, (T,) [rad]: the angle by which its recorded bone turned since the previous frame.

        The angle of the parent's bone is added, because a joint turns by at most the sum of both.
        """
        joint_of = {self.rig.body_of(role): role for role in self.rig.roles if self.has(role)}
        steps = {body: self._bone_turn(role) for body, role in joint_of.items()}
        parents = [b.parent for b in self.rig.character.bodies]
        return {b: step + steps.get(parents[b], torch.zeros_like(step)) for b, step in steps.items()}

    def _slope(self) -> Tensor:
        """Return the height (T, J) [m] of the floor under the joints: 0 unless standing feet show that it is tilted."""
        roles = [f"{side}_{part}" for side in SIDES for part in ("ankle", "toe") if self.has(f"{side}_{part}")]
        return tilted_floor([self.pos(role) for role in roles], self._source.times, self.points)

    def _bone_turn(self, role: str) -> Tensor:
        """Return the turn (T,) [rad] of a joint since the previous frame; without rotations, that of the bone below it."""
        rotation = self.rotation(role)
        if rotation is not None:
            step = quat_angle(rotation[1:], rotation[:-1])
        else:
            joint = self.mapping.joints[role]
            below = next((j for j, parent in enumerate(self._source.parents) if parent == joint), joint)
            bone = unit(self.points[:, below] - self.points[:, joint])
            step = 2 * torch.asin(((bone[1:] - bone[:-1]).norm(dim=-1) / 2).clamp(max=1.0))
        return torch.cat((step[:1], step))
