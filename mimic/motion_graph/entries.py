"""The way from one clip to another (motion graphs, Kovar et al. 2002; motion matching, Clavet 2016).

The graph's nodes are the poses of all clips, ``STEP_S`` apart. From a pose, time passes to the next one, or the motion
jumps to a pose of another clip. A jump costs more the further the two poses are apart, so the cheapest way may wait for a
better moment. The table holds the first jump of the cheapest way (Bellman's equation).

A jump leads to a gait, to the stance, from the stance, or between two poses that are nearly equal. Any other way passes
through these. So a controller has to learn few switches for each of its K clips, not K - 1. A jump to a walk from afar is
easier than one to the stance, because a walking body can put its feet where it needs them.

The distance of two poses compares bodies and their velocities in the heading frame, and contacts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from characters import Character, Kinematics
from mimic.core.rotations import Yaw
from mimic.motion_graph.library import MotionLibrary, states_of

STEP_S = 1 / 30  # between two poses that are compared, which is a control step
_EASY_M = 0.15  # a jump over this distance costs as much as waiting for a second; the cost grows with its cube
_DWELL_S = 0.6  # in a gait or the stance on the way, so that one offset has decayed before the next jump
_JUMPS = 4  # at most, from any clip to any other
_VELOCITY_S = 0.12  # a difference of velocity counts as the distance that it covers in this time
_CONTACT_M = 0.15  # a foot that stands in one pose and not in the other counts as this distance
_FLIGHT_M = 0.1  # cost of a pose in the air on either side of the switch
_TOUCH_M = 0.03
_NEAR_M = 0.08  # two poses this near are nearly equal
_LAST_ENTRY = 0.35  # of a clip that plays once


@dataclass(frozen=True, eq=False)
class Entries:
    """The table of jumps, for R poses of K clips.

    Attributes:
        first: (K,) int64, first row of each clip.
        rows: (K,) int64, number of its poses, ``STEP_S`` apart.
        wait: (R, K) int64, control steps until the next jump on the way to each clip.
        clip: (R, K) int64, the clip that this jump enters: the wanted one, or one on the way.
        phase: (R, K), phase at which that clip is entered.
        distance: (R, K) [m], distance of the two poses at the jump.
    """

    first: Tensor
    rows: Tensor
    wait: Tensor
    clip: Tensor
    phase: Tensor
    distance: Tensor

    def look_up(
        self, clip: Tensor, seconds: Tensor, target: Tensor, loops: Tensor, soonest: int = 0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the next jump of N characters on the way to the clips ``target`` (N,).

        Args:
            clip, seconds: (N,) clip of each character, and the time in it [s].
            target: (N,) int64, the clips that are wanted.
            loops: (K,) bool, which clips loop.
            soonest: control steps before which there is no jump.

        Returns:
            Control steps to wait, the clip to enter, and the phase at which to enter it, (N,) each.
        """
        pose = (seconds / STEP_S).round().long() + soonest
        last = self.rows[clip] - 1
        pose = torch.where(loops[clip], pose % (last + 1), pose.minimum(last))
        row = pose + self.first[clip]
        return self.wait[row, target] + soonest, self.clip[row, target], self.phase[row, target]

    def before_jump(self, clip: Tensor, target: Tensor, within: int, uniform: Tensor) -> Tensor:
        """Return a time [s] in each of N clips, at most ``within`` control steps before a jump.

        Args:
            clip: (N,) int64.
            target: (N,) int64, other clips; the jump is the first on the way to them.
            within: control steps.
            uniform: (N,) random numbers in [0, 1), which choose among the times.
        """
        soon = (self.wait <= within).long().cumsum(0).T.contiguous()  # (K, R): so many up to this row
        end = self.first[clip] + self.rows[clip]
        before = torch.where(self.first[clip] > 0, soon[target, self.first[clip] - 1], 0)
        count = before + 1 + (uniform * (soon[target, end - 1] - before)).long()
        row = torch.searchsorted(soon[target], count[:, None]).squeeze(1)
        return (row - self.first[clip]) * STEP_S


def build_entries(library: MotionLibrary, character: Character) -> Entries:
    """Compare all poses of all clips, and find the cheapest way from each to every clip."""
    every = [_rows(library, k) for k in range(len(library.names))]
    rows = torch.tensor([len(one) for one in every])
    first = rows.cumsum(0) - rows
    features, flying = _features(library, character, torch.cat(every))
    distance = torch.cdist(features, features)
    distance += _FLIGHT_M * (flying[:, None] | flying[None, :])
    owner = torch.arange(len(rows)).repeat_interleave(rows)
    gait = torch.isin(owner, torch.tensor(library.gaits, dtype=torch.int64))
    rests = owner == library.rest
    allowed = gait[None, :] | rests[:, None] | rests[None, :] | (distance < _NEAR_M)
    price = torch.where(allowed, (distance / _EASY_M).pow(3), torch.inf)

    direct, pose = _direct(library, first, rows, price)
    hub = (gait | rests).nonzero().squeeze(1)
    after_dwell = _later(first, rows, library.loops, hub, owner, round(_DWELL_S / STEP_S))
    away = owner[:, None] != owner[hub][None, :]
    hop = torch.where(away, price[:, hub] + _DWELL_S, torch.inf)  # (R, poses of hubs)
    cost, entered = direct.clone(), pose.clone()
    waited, wait = _with_waiting(cost, first, rows, library.loops)
    for _ in range(_JUMPS - 1):
        via, index = _min_plus(hop, waited[after_dwell])
        better = via < direct
        cost, entered = torch.where(better, via, direct), torch.where(better, hub[index], pose)
        waited, wait = _with_waiting(cost, first, rows, library.loops)
    at = torch.stack(
        [_later(first, rows, library.loops, torch.arange(len(owner)), owner, wait[:, k]) for k in range(len(rows))], 1
    )
    entered = entered.gather(0, at)
    clip = owner[entered]
    phase = ((entered - first[clip]) * STEP_S / library.seconds[clip]).float()
    return Entries(first, rows, wait, clip, phase, distance[at, entered])


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


def _direct(library: MotionLibrary, first: Tensor, rows: Tensor, price: Tensor) -> tuple[Tensor, Tensor]:
    """Return the price (R, K) of the best jump into each clip, and the row (R, K) that it enters."""
    best, pose = [], []
    for k, (f, n) in enumerate(zip(first.tolist(), rows.tolist(), strict=True)):
        usable = n if bool(library.loops[k]) else max(1, int(_LAST_ENTRY * n))
        cost, index = price[:, f : f + usable].min(1)
        best.append(cost)
        pose.append(f + index)
    return torch.stack(best, 1), torch.stack(pose, 1)


def _min_plus(hop: Tensor, onward: Tensor) -> tuple[Tensor, Tensor]:
    """Return min over g of hop (R, G) + onward (G, K), and the g that has it, (R, K) each."""
    found = [(hop + column).min(1) for column in onward.T]
    return torch.stack([one.values for one in found], 1), torch.stack([one.indices for one in found], 1)


def _with_waiting(cost: Tensor, first: Tensor, rows: Tensor, loops: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cost (R, K) if one may wait in the clip first, and the control steps (R, K) that are best waited."""
    result, wait = cost.clone(), torch.zeros_like(cost, dtype=torch.int64)
    for f, n, loop in zip(first.tolist(), rows.tolist(), loops.tolist(), strict=True):
        turns = 2 if loop else 1  # the second round carries what lies after the start of a loop to its end
        for i in range(turns * n - 1 - (not loop), -1, -1):
            here, later = f + i % n, f + (i + 1) % n
            waited = result[later] + STEP_S
            better = waited < result[here]
            result[here] = torch.where(better, waited, result[here])
            wait[here] = torch.where(better, wait[later] + 1, wait[here])
    return result, wait


def _later(first: Tensor, rows: Tensor, loops: Tensor, row: Tensor, owner: Tensor, steps: Tensor | int) -> Tensor:
    """Return the row that is reached ``steps`` after ``row`` in its clip."""
    clip = owner[row]
    pose = row - first[clip] + steps
    return first[clip] + torch.where(loops[clip], pose % rows[clip], pose.minimum(rows[clip] - 1))
