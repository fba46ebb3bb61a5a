"""Getting up: a character that is down enters a getup clip at the lying pose that is nearest to its own.

Two poses are compared after the best turn about the vertical (orthogonal Procrustes in the plane, Schönemann 1966).
The reference begins in the character's own pose; the offset from the clip decays before the clip moves on.
"""

import torch
from torch import Tensor

from characters import Character, CharacterState, Kinematics
from mimic.core.rotations import quat_conj, quat_from_yaw, quat_mul, quat_to_rotvec
from mimic.motion_graph.library import MotionLibrary, states_of, targets_of
from mimic.motion_graph.segment import Segment

GETUPS = {"humanoid": ("getup_faceup", "getup_facedown")}
DOWN_SHARE = 0.55  # of the standing root height, below which a character is down
LYING_M = 0.25  # root height of a lying pose
EVERY_S = 1 / 30
SETTLE_S = 0.5  # for which the clip stands still in its lying pose
HALF_LIFE_S = 0.2


class Recovery:
    """Finds the way up for lying characters of one library.

    Attributes:
        getups: the getup clips of its character that the library has.
        standing_height: root height [m] of the stance.
        down_height: root height [m] below which a character is down.
    """

    def __init__(self, library: MotionLibrary, character: Character, standing_height: float):
        self._library, self._character = library, character
        self.standing_height, self.down_height = standing_height, DOWN_SHARE * standing_height
        names = [name for name in GETUPS.get(character.name, ()) if name in library.names]
        self.getups = [library.index(name) for name in names]
        if not self.getups:
            return
        row, clip, phase = [], [], []
        for k in self.getups:
            first, rows = int(library.first[k]), int(library.rows[k])
            apart = max(1, round(EVERY_S / float(library.seconds[k]) * (rows - 1)))
            lying = library.table[first : first + rows : apart, 2] < LYING_M
            at = lying.nonzero().squeeze(1) * apart
            row.append(first + at)
            clip.append(torch.full_like(at, k))
            phase.append(at / (rows - 1))
        self._row, self._clip, self._phase = torch.cat(row), torch.cat(clip), torch.cat(phase)
        state = states_of(library, character)[self._row]
        self._bodies = _about_root(Kinematics(character).forward(state).pos_w, state.root_pos_w)

    def getting_up(self, sim: CharacterState, body_pos_w: Tensor) -> Segment:
        """Return segments that begin in the poses ``sim`` (N) and get up; ``body_pos_w`` (N, B, 3) [m] are their bodies.

        Raises ValueError if the library has no getup clip.
        """
        if not self.getups:
            raise ValueError(f"the library has no getup clip of the {self._character.name}")
        found = _about_root(body_pos_w, sim.root_pos_w)
        theirs = self._bodies[None]
        ours = found[:, None]
        dot = (theirs[..., :2] * ours[..., :2]).sum((-1, -2))
        cross = (theirs[..., 0] * ours[..., 1] - theirs[..., 1] * ours[..., 0]).sum(-1)
        # the best turn leaves |theirs|^2 + |ours|^2 - 2 |dot + i cross| in the plane
        plane = theirs[..., :2].square().sum((-1, -2)) + ours[..., :2].square().sum((-1, -2)) - 2.0 * dot.hypot(cross)
        height = (theirs[..., 2] - ours[..., 2]).square().sum(-1)
        best = (plane + height).argmin(1)
        yaw = torch.atan2(cross, dot).gather(1, best[:, None]).squeeze(1)
        segment = Segment.at(self._clip[best], self._phase[best], self._library.table.shape[1] - 8)
        row = self._library.table[self._row[best]]
        segment.place, segment.yaw = sim.root_pos_w[:, :2].clone(), yaw
        own = quat_mul(quat_conj(quat_from_yaw(yaw)), sim.root_quat_w)
        turned = quat_to_rotvec(quat_mul(own, quat_conj(row[:, 3:7])))
        pose = targets_of(sim.joint_quat, self._character)
        segment.offset = torch.cat([sim.root_pos_w[:, 2:] - row[:, 2:3], turned, pose - row[:, 7:-1]], 1)
        segment.half_life = torch.full_like(yaw, HALF_LIFE_S)
        segment.hold = torch.full_like(yaw, SETTLE_S)
        return segment


def _about_root(pos_w: Tensor, root_pos_w: Tensor) -> Tensor:
    """Return positions (N, B, 3) relative to the root in the plane, with their heights above the ground."""
    return pos_w - root_pos_w[:, None] * torch.tensor([1.0, 1.0, 0.0])
