"""The motion graph at work, for N characters: requests and steering become a continuous reference.

A request is answered by the cheapest way through the graph (`entries`). The reference waits for a good moment, and enters
the next clip at the nearest pose, until the wanted clip is reached. A coming jump is part of what lies ahead. The
reference follows the simulated root slowly, so that drift does not grow.
"""

import math
from dataclasses import fields

import torch
from torch import Tensor

from mimic.core.rotations import quat_conj, quat_mul
from mimic.motion_graph.entries import STEP_S, Entries
from mimic.motion_graph.library import MotionLibrary
from mimic.motion_graph.segment import Pose, Segment, advance, evaluate, join, period, switch_times

FOLLOW_S = 1.0  # time constant with which the reference follows the simulated root
ACCELERATION = 1.5  # [m/s^2] of the steered speed
TURNING = 4.0  # [rad/s^2] of the steered yaw rate
FASTEST = 1.15  # of the fastest gait's own rate
STEPS_OF_TURNING = 0.4  # [m]: turning at 1 rad/s makes the feet step as at .4 m/s
LEAVE_S = 0.4  # before the end of a clip that plays once, the way to what follows is looked up
AHEAD_S = 0.15  # before a jump, from which on the reference is heading for the next clip
SETTLE_STEPS = 18  # control steps in a clip on the way before the next jump
PURE = 0.02  # share of the other gait, below which a blend is the clip itself
_NEVER = 1 << 20


class Conductor:
    """The reference of N characters.

    Attributes:
        now, next: the segment that runs, and the one that follows after ``wait`` (N,) control steps.
        target: (N,) int64, the clip that is wanted; where it runs already, nothing else is planned.
        once: (N,) bool, whether the wanted clip is left after one cycle.
        rest: the clip that follows one that plays once, unless ``then`` says another.
        then: (N,) int64, the clip that follows the one that plays once; -1: ``rest``.
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
        self.target = torch.zeros(num, dtype=torch.int64)
        self.once = torch.zeros(num, dtype=torch.bool)
        self.then = torch.full((num,), -1)
        self.rest = library.rest
        self.steering = torch.zeros(num, dtype=torch.bool)
        self.speed, self.yaw_rate = torch.zeros(num), torch.zeros(num)
        self._wanted = torch.zeros(num, 2)

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that later steps depend on, by name, not copied."""
        own = ("wait", "target", "once", "then", "steering", "speed", "yaw_rate", "_wanted")
        found = {name.strip("_"): getattr(self, name) for name in own}
        for segment in ("now", "next"):
            found |= {f"{segment}.{one.name}": getattr(getattr(self, segment), one.name) for one in fields(Segment)}
        return found

    def start(self, rows: Tensor, clip: Tensor, phase: Tensor) -> None:
        """Begin the clips ``clip`` (R,) at ``phase`` (R,), at the world's origin, without an offset."""
        self.now.assign(rows, Segment.at(clip, phase, self._actuated))
        self.target[rows] = clip
        self.once[rows] = False
        self.then[rows] = -1
        self.wait[rows] = _NEVER
        self.steering[rows] = False

    def request(self, rows: Tensor, clip: Tensor, once: bool | Tensor = False) -> None:
        """Ask the characters ``rows`` (R,) for the clips ``clip`` (R,) int64; ``once`` (R,): for one cycle of them."""
        self.steering[rows] = False
        self.target[rows] = clip
        self.once[rows] = once
        self.then[rows] = -1
        self._travel(rows)

    def interrupt(self, rows: Tensor, segment: Segment) -> None:
        """Let ``rows`` (R,) go on with ``segment`` at once; the clip that was wanted follows when its clip is over."""
        wanted = self.target[rows]
        keeps = self.library.loops[wanted] & ~self.once[rows]
        self.then[rows] = torch.where(keeps, wanted, self.then[rows])
        self.now.assign(rows, segment)
        self.target[rows] = segment.clip
        self.once[rows] = True
        self.wait[rows] = _NEVER

    def steer(self, rows: Tensor, speed: Tensor, yaw_rate: Tensor) -> None:
        """Ask the characters ``rows`` for a speed (R,) [m/s] and a yaw rate (R,) [rad/s]."""
        self._wanted[rows] = torch.stack((speed, yaw_rate), 1)
        fresh = rows[~self.steering[rows]]
        if not len(fresh):
            return
        s = self.now[fresh]
        pose = evaluate(self.library, s, torch.tensor([0.0, 0.5]).expand(len(fresh), 2)).row
        fastest = self.library.speed[self.library.gaits[-1]]
        speed_now = (2.0 * (pose[:, 1, :2] - pose[:, 0, :2]).norm(dim=1)).minimum(fastest)
        lower, upper, weight, _, _ = self._gait(speed_now, torch.zeros_like(speed_now))
        self.request(fresh, torch.where(weight < 0.5, lower, upper))
        self.steering[fresh] = True
        self.speed[fresh] = self.library.speed[self.target[fresh]].float()
        self.yaw_rate[fresh] = 0.0

    def poses(self, ahead: Tensor, rows: Tensor | slice = slice(None)) -> Pose:
        """Return the reference (R, Q) of ``rows`` at the times ``ahead`` (R, Q) [s] from now, a coming jump included."""
        some = torch.arange(len(self.wait))[rows]
        wait = self.wait[some]
        times = ahead.expand(len(wait), -1)
        pose = evaluate(self.library, self.now[some], times)
        coming = (wait < 60).nonzero().squeeze(1)  # nothing is looked up two seconds ahead
        if len(coming):
            segment = self.next[some[coming]]
            switch = wait[coming, None] * STEP_S
            after = evaluate(self.library, segment, (times[coming] - switch).clamp_min(0.0))
            later = times[coming] >= switch
            pose.row[coming] = torch.where(later[..., None], after.row, pose.row[coming])
            pose.heading[coming] = torch.where(later, after.heading, pose.heading[coming])
        return pose

    def advance(self, root_pos: Tensor | None = None, root_quat: Tensor | None = None) -> None:
        """Move on by one control step; ``root_pos`` (N, 3) [m] and ``root_quat`` (N, 4) are of the simulated roots."""
        advance(self.library, self.now, STEP_S)
        self.wait -= (self.wait < _NEVER).long()
        self._jump((self.wait <= 0).nonzero().squeeze(1))
        if root_pos is not None and root_quat is not None:
            self._follow(root_pos[:, :2], root_quat)
        self._leave()
        self._follow_stick()

    def heading_for(self) -> Tensor:
        """Return the clip (N,) that the reference runs or enters within `AHEAD_S`; of two blended gaits, the faster one."""
        here = torch.where(self.now.weight > PURE, self.now.other, self.now.clip)
        return torch.where(self.wait * STEP_S <= AHEAD_S, self.next.clip, here)

    def left(self) -> Tensor:
        """Return the time (N,) [s] until the wanted clip has been played; infinite where it is not left."""
        clip, s = self.now.clip, self.now
        ends = (clip == self.target) & (self.once | ~self.library.loops[clip])
        cycle = period(self.library, s)
        # a loop that is played once is left one cycle after its entry
        remaining = torch.where(self.library.loops[clip], cycle - s.age, (1.0 - s.phase) * cycle)
        return torch.where(ends, remaining, torch.inf)

    def _follow(self, root_xy: Tensor, root_quat: Tensor) -> None:
        """Move the reference a little towards the simulated root, and turn it a little to its heading."""
        share = 1.0 - math.exp(-STEP_S / FOLLOW_S)
        here = evaluate(self.library, self.now, torch.zeros(len(root_xy), 1)).row[:, 0]
        error = quat_mul(root_quat, quat_conj(here[:, 3:7]))
        angle = 2.0 * torch.atan2(error[:, 3], error[:, 0])
        turn = share * torch.atan2(angle.sin(), angle.cos())
        shift = share * (root_xy - self.now.place)
        away = self.next.place - self.now.place
        cos, sin = turn.cos(), turn.sin()
        away = torch.stack((cos * away[:, 0] - sin * away[:, 1], sin * away[:, 0] + cos * away[:, 1]), 1)
        self.now.place = self.now.place + shift
        self.next.place = self.now.place + away
        self.now.yaw, self.next.yaw = self.now.yaw + turn, self.next.yaw + turn

    def _leave(self) -> None:
        """Ask for the clip ``rest`` where a clip that plays once is nearly over."""
        over = ((self.left() < LEAVE_S) & (self.wait == _NEVER)).nonzero().squeeze(1)
        if len(over):
            self.target[over] = torch.where(self.then[over] < 0, self.rest, self.then[over])
            self.then[over] = -1
            self.once[over] = False
            self._travel(over)

    def _travel(self, rows: Tensor, soonest: int = 0) -> None:
        """Plan the next jump of ``rows`` on the way to their targets; a jump already planned is replaced."""
        s = self.now[rows]
        leaving = torch.where(s.weight < 0.5, s.clip, s.other)
        pure = ((s.weight < PURE) | (s.weight > 1.0 - PURE)) & (s.scale == 1.0) & (s.yaw_rate == 0.0)
        there = (leaving == self.target[rows]) & pure
        self.wait[rows[there]] = _NEVER
        rows, s, leaving = rows[~there], s[~there], leaving[~there]
        if not len(rows):
            return
        phase = torch.where(
            s.weight < 0.5, s.phase, (s.phase + self.library.shift[s.other] - self.library.shift[s.clip]) % 1.0
        )
        seconds = phase * self.library.seconds[leaving]
        wait, clip, entry = self.entries.look_up(leaving, seconds, self.target[rows], self.library.loops, soonest)
        wait = wait + torch.ceil(s.hold / STEP_S - 1e-3).long()  # while a clip is held, its phase stays
        after = Segment.at(clip, entry, self._actuated)
        join(self.library, evaluate(self.library, s, switch_times(wait * STEP_S)), after)
        self.next.assign(rows, after)
        self.wait[rows] = wait
        self._jump(rows[wait == 0])

    def _jump(self, rows: Tensor) -> None:
        """Enter the next segment in ``rows``; where that is only on the way, plan the jump after it."""
        if not len(rows):
            return
        self.now.assign(rows, self.next[rows])
        self.wait[rows] = _NEVER
        own = self.library.speed[self.now.clip[rows]].float()
        self.speed[rows] = torch.where(self.steering[rows], own, self.speed[rows])
        on_the_way = rows[self.now.clip[rows] != self.target[rows]]
        if len(on_the_way):
            self._travel(on_the_way, SETTLE_STEPS)

    def _follow_stick(self) -> None:
        """Move speed and yaw rate towards what is asked, and set the gait that has them."""
        rows = (self.steering & (self.wait == _NEVER) & self._in_gait()).nonzero().squeeze(1)
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
        self.target[rows] = lower

    def _in_gait(self) -> Tensor:
        """Return (N,) bool: the characters whose clip is a gait, which alone can be steered."""
        return torch.isin(self.now.clip, torch.tensor(self.library.gaits))

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
