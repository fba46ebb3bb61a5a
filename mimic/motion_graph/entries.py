"""Where a clip may be left and another entered (motion graphs, Kovar et al. 2002; motion matching, Clavet 2016).

For every pose of a clip, ``STEP_S`` apart, and for every clip that may follow, the table holds how long to wait and
where to enter. The distance of two poses compares bodies and their velocities in the heading frame, and contacts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from characters import Character, Kinematics
from mimic.core.rotations import Yaw
from mimic.motion_graph.library import MotionLibrary, states_of

STEP_S = 1 / 30  # between two poses that are compared, which is a control step
LONGEST_WAIT_S = 0.4
_VELOCITY_S = 0.12  # a difference of velocity counts as the distance that it covers in this time
_CONTACT_M = 0.15  # a foot that stands in one pose and not in the other counts as this distance
_FLIGHT_M = 0.1  # cost of a pose in the air on either side of the switch
_WAIT_M_S = 0.15  # cost of a second of waiting
_TOUCH_M = 0.03
_LAST_ENTRY = 0.35  # of a clip that plays once


@dataclass(frozen=True, eq=False)
class Entries:
    """The table of switches.

    Attributes:
        first: (K,) int64, first row of each clip.
        rows: (K,) int64, number of its poses, ``STEP_S`` apart.
        wait: (rows of all clips, K) int64, control steps until the switch to each clip.
        phase: (rows of all clips, K), phase at which that clip is entered.
        cost: (rows of all clips, K) [m], distance of the two poses at the switch.
    """

    first: Tensor
    rows: Tensor
    wait: Tensor
    phase: Tensor
    cost: Tensor

    def look_up(self, clip: Tensor, seconds: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return control steps to wait (N,) and phase of entry (N,), ``seconds`` (N,) into ``clip``, for ``target``."""
        row = (seconds / STEP_S).round().long().minimum(self.rows[clip] - 1) + self.first[clip]
        return self.wait[row, target], self.phase[row, target]


def build_entries(library: MotionLibrary, character: Character) -> Entries:
    """Compare all poses of all clips, once."""
    every = [_rows(library, k) for k in range(len(library.names))]
    rows = torch.tensor([len(one) for one in every])
    first = rows.cumsum(0) - rows
    features, flying = _features(library, character, torch.cat(every))
    distance = torch.cdist(features, features)
    distance += _FLIGHT_M * (flying[:, None] | flying[None, :])
    best = [_best_entry(library, k, distance[:, f : f + n]) for k, (f, n) in enumerate(zip(first, rows, strict=True))]
    cost, phase = (torch.stack(part, 1) for part in zip(*best, strict=True))
    wait = torch.zeros_like(cost, dtype=torch.int64)
    for k, (f, n) in enumerate(zip(first.tolist(), rows.tolist(), strict=True)):
        wait[f : f + n] = _best_wait(cost[f : f + n], bool(library.loops[k]))
    later = _later(first, rows, library.loops, wait)
    return Entries(first, rows, wait, phase.gather(0, later), cost.gather(0, later))


def _rows(library: MotionLibrary, k: int) -> Tensor:
    """Return the rows of the library's table that lie ``STEP_S`` apart in clip ``k``; a loop's last row is its first."""
    count = max(1, int(float(library.seconds[k]) / STEP_S + 1e-6))
    step = (int(library.rows[k]) - 1) / float(library.seconds[k]) * STEP_S
    return (torch.arange(count) * step).round().long() + library.first[k]


def _features(library: MotionLibrary, character: Character, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the vectors (R, F) whose distance [m] is that of the poses, and which poses are in the air (R,) bool."""
    state = states_of(library, character)[rows]
    kinematics = Kinematics(character)
    bodies = kinematics.forward(state)
    frame = Yaw(library.table[rows, -1])
    place = frame.rotate_inverse(bodies.pos_w - state.root_pos_w[:, None] * torch.tensor([1.0, 1.0, 0.0]))
    velocity = frame.rotate_inverse(bodies.linvel_w) * _VELOCITY_S
    low = kinematics.lowest_points(bodies)
    feet = [character.body_index(name) for name in character.config.allowed_contacts]
    count = len(character.bodies) ** 0.5
    stands = (low[:, feet] < _TOUCH_M) * (_CONTACT_M / len(feet) ** 0.5)
    return torch.cat([place.flatten(1) / count, velocity.flatten(1) / count, stands], 1), low.amin(1) >= _TOUCH_M


def _best_entry(library: MotionLibrary, k: int, distance: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cost [m] and the phase of the best entry into clip ``k``, for each row of ``distance`` (R, poses of k)."""
    poses = distance.shape[1]
    usable = poses if bool(library.loops[k]) else max(1, int(_LAST_ENTRY * poses))
    cost, index = distance[:, :usable].min(1)
    return cost, (index * STEP_S / library.seconds[k]).float()


def _best_wait(cost: Tensor, loops: bool) -> Tensor:
    """Return for each pose and target the wait in control steps that costs least; ``cost`` is (poses of a clip, K)."""
    poses, longest = len(cost), round(LONGEST_WAIT_S / STEP_S)
    index = torch.arange(poses)[:, None] + torch.arange(longest + 1)
    index = index % poses if loops else index.clamp_max(poses - 1)
    waiting = _WAIT_M_S * STEP_S * torch.arange(longest + 1)
    return (cost[index] + waiting[:, None]).argmin(1)


def _later(first: Tensor, rows: Tensor, loops: Tensor, wait: Tensor) -> Tensor:
    """Return the row (R, K) that is reached after the wait."""
    result = torch.empty_like(wait)
    for f, n, loop in zip(first.tolist(), rows.tolist(), loops.tolist(), strict=True):
        index = torch.arange(n)[:, None] + wait[f : f + n]
        result[f : f + n] = f + (index % n if loop else index.clamp_max(n - 1))
    return result
