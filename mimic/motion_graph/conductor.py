"""The motion graph at work, for N characters: requests and steering become a continuous reference.

A request waits for a good moment to leave the clip (at most ``LONGEST_WAIT_S``), and enters the other clip at the nearest
pose. Until then the coming switch is part of what lies ahead. The reference follows the simulated root slowly, so that
drift does not grow.
"""

import math

import torch
from torch import Tensor

from mimic.motion_graph.entries import STEP_S, Entries
from mimic.motion_graph.library import MotionLibrary
from mimic.motion_graph.segment import Pose, Segment, advance, evaluate, join, switch_times

FOLLOW_S = 1.0  # time constant with which the reference follows the simulated root
ACCELERATION = 1.5  # [m/s^2] of the steered speed
TURNING = 4.0  # [rad/s^2] of the steered yaw rate
FASTEST = 1.15  # of the fastest gait's own rate
STEPS_OF_TURNING = 0.4  # [m]: turning at 1 rad/s makes the feet step as at .4 m/s
_NEVER = 1 << 20


class Conductor:
    """The reference of N characters.

    Attributes:
        now, next: the segment that runs, and the one that follows after ``wait`` (N,) control steps.
        steering: (N,) bool, whether the reference (or the one that comes next) is steered.
        speed, yaw_rate: (N,) speed [m/s] and yaw rate [rad/s] of the steered reference.
    """

    def __init__(self, library: MotionLibrary, entries: Entries, num: int):
        self.library, self.entries = library, entries
        self._actuated = library.table.shape[1] - 8
        zeros = torch.zeros(num, dtype=torch.int64)
        self.now = Segment.at(zeros, torch.zeros(num), self._actuated)
        self.next = Segment.at(zeros, torch.zeros(num), self._actuated)
        self.wait = torch.full((num,), _NEVER)
        self.steering = torch.zeros(num, dtype=torch.bool)
        self.speed, self.yaw_rate = torch.zeros(num), torch.zeros(num)
        self._wanted = torch.zeros(num, 2)

    @property
    def target(self) -> Tensor:
        """Clip (N,) that was asked for last."""
        return torch.where(self.wait < _NEVER, self.next.clip, self.now.clip)

    def start(self, rows: Tensor, clip: Tensor, phase: Tensor) -> None:
        """Begin the clips ``clip`` (R,) at ``phase`` (R,), at the world's origin, without an offset."""
        self.now.assign(rows, Segment.at(clip, phase, self._actuated))
        self.wait[rows] = _NEVER
        self.steering[rows] = False

    def request(self, rows: Tensor, clip: Tensor) -> None:
        """Ask the characters ``rows`` (R,) for the clips ``clip`` (R,) int64."""
        self.steering[rows] = False
        self._schedule(rows, clip)

    def steer(self, rows: Tensor, speed: Tensor, yaw_rate: Tensor) -> None:
        """Ask the characters ``rows`` for a speed (R,) [m/s] and a yaw rate (R,) [rad/s]."""
        self._wanted[rows] = torch.stack((speed, yaw_rate), 1)
        fresh = rows[~self.steering[rows]]
        if not len(fresh):
            return
        self.steering[fresh] = True
        s = self.now[fresh]
        pose = evaluate(self.library, s, torch.tensor([0.0, 0.5]).expand(len(fresh), 2)).row
        fastest = self.library.speed[self.library.gaits[-1]]
        self.speed[fresh] = (2.0 * (pose[:, 1, :2] - pose[:, 0, :2]).norm(dim=1)).minimum(fastest)
        self.yaw_rate[fresh] = 0.0
        lower, upper, weight, _, _ = self._gait(self.speed[fresh], self.yaw_rate[fresh])
        self._schedule(fresh, torch.where(weight < 0.5, lower, upper))

    def poses(self, ahead: Tensor) -> Pose:
        """Return the reference (N, Q) at the times ``ahead`` (Q,) [s] from now, a coming switch included."""
        times = ahead.expand(len(self.wait), -1)
        pose = evaluate(self.library, self.now, times)
        if bool((self.wait < _NEVER).any()):
            switch = self.wait[:, None] * STEP_S
            after = evaluate(self.library, self.next, (times - switch).clamp_min(0.0))
            later = times >= switch
            pose = Pose(
                torch.where(later[..., None], after.row, pose.row), torch.where(later, after.heading, pose.heading)
            )
        return pose

    def advance(self, root_xy: Tensor | None = None) -> None:
        """Move on by one control step; ``root_xy`` (N, 2) [m] is where the simulated roots are."""
        advance(self.library, self.now, STEP_S)
        self.wait = torch.where(self.wait < _NEVER, self.wait - 1, self.wait)
        due = (self.wait <= 0).nonzero().squeeze(1)
        if len(due):
            self.now.assign(due, self.next[due])
            self.wait[due] = _NEVER
        if root_xy is not None:
            shift = (1.0 - math.exp(-STEP_S / FOLLOW_S)) * (root_xy - self.now.place)
            self.now.place = self.now.place + shift
            self.next.place = self.next.place + shift
        self._follow_stick()

    def _schedule(self, rows: Tensor, clip: Tensor) -> None:
        """Plan the switch of the characters ``rows`` to ``clip``; a switch already planned is replaced."""
        s = self.now[rows]
        leaving = torch.where(s.weight < 0.5, s.clip, s.other)
        phase = torch.where(
            s.weight < 0.5, s.phase, (s.phase + self.library.shift[s.other] - self.library.shift[s.clip]) % 1.0
        )
        wait, entry = self.entries.look_up(leaving, phase * self.library.seconds[leaving], clip)
        after = Segment.at(clip, entry, self._actuated)
        join(self.library, evaluate(self.library, s, switch_times(wait * STEP_S)), after)
        self.next.assign(rows, after)
        self.wait[rows] = wait
        due = rows[wait == 0]
        self.now.assign(due, self.next[due])
        self.wait[due] = _NEVER

    def _follow_stick(self) -> None:
        """Move speed and yaw rate towards what is asked, and set the gait that has them."""
        rows = (self.steering & (self.wait == _NEVER)).nonzero().squeeze(1)
        if not len(rows):
            return
        wanted = self._wanted[rows]
        most = ACCELERATION * STEP_S
        self.speed[rows] += (wanted[:, 0] - self.speed[rows]).clamp(-most, most)
        most = TURNING * STEP_S
        self.yaw_rate[rows] += (wanted[:, 1] - self.yaw_rate[rows]).clamp(-most, most)
        lower, upper, weight, scale, rate = self._gait(self.speed[rows], self.yaw_rate[rows])
        now, shift = self.now, self.library.shift
        now.phase[rows] = (now.phase[rows] + shift[lower] - shift[now.clip[rows]]) % 1.0
        now.clip[rows], now.other[rows], now.weight[rows] = lower, upper, weight
        now.scale[rows], now.rate[rows], now.yaw_rate[rows] = scale, rate, self.yaw_rate[rows]

    def _gait(self, speed: Tensor, yaw_rate: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Return the two gaits to blend, the share of the second, the factor on displacement and that on time."""
        lib = self.library
        gaits = torch.tensor(lib.gaits)
        stride, time = lib.travel[gaits].norm(dim=1), lib.seconds[gaits]
        own = stride / time
        stepping = torch.maximum(speed, STEPS_OF_TURNING * yaw_rate.abs())
        within = stepping.minimum(own[-1])
        i = (torch.searchsorted(own, within) - 1).clamp(0, len(gaits) - 2)
        # (1-w) s + w s' = v ((1-w) T + w T')
        weight = (within * time[i] - stride[i]) / (stride[i + 1] - stride[i] - within * (time[i + 1] - time[i]))
        scale = speed.minimum(stepping) / stepping.clamp_min(1e-6)
        rate = (stepping / own[-1]).clamp(1.0, FASTEST)
        return gaits[i], gaits[i + 1], weight.clamp(0.0, 1.0), torch.where(stepping > 1e-6, scale, 1.0), rate
