"""Synthetic dog gaits, authored from published measurements: trot, rotary canter, walk, pace and turn.

Nothing here is fitted to a recording. Stride times, duty factors, footfall orders and speeds are from the veterinary
literature (see docs/gaits.md). So is the split of stance before and behind the shoulder and hip. The literature does not
say how a paw rolls off or how the tail moves; these are the author's choice.

Each paw has one foothold per stride, stays there during stance, and swings to the next foothold. The trunk bobs,
pitches, rolls and bends with the phase. :mod:`mocap.leg_ik` computes the joint rotations of the legs.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.spatial.transform import Rotation

from characters.character import Character, load_character
from mimic.core.errors import InputError, nearest
from mimic.core.rotations import quat_hemisphere
from mocap.leg_ik import Array, Leg, LegPose, dog_leg, paw_joint, place
from mocap.motion import Motion

LICENCE = "Apache-2.0 as this program; synthetic: authored from published canine gait figures, not capture"
_FPS = 120.0
_CENTRE = 0.25  # [m] from the root to the middle of the four legs, which is what follows the path
_DEGREE = math.pi / 180
_LANDING = 0.12  # speed of a paw when it lands, in swing lengths a swing
_LEGS = {"LH": ("left", False), "RH": ("right", False), "LF": ("left", True), "RF": ("right", True)}
# of the way a paw stands, how much is ahead of hip or shoulder (McLaughlin & Roush 1995)
_AHEAD = {True: 0.56, False: 0.36}


@dataclass(frozen=True)
class Gait:
    """The parameters of a gait at its speed ``speed``.

    Angles are in degrees. Phases are fractions of a stride, counted from the first hind foot's contact.

    Attributes:
        stride_s: duration of a stride [s].
        speed: speed of the trunk [m/s].
        yaw_rate: rate of turning to the left [degrees/s].
        duty_fore, duty_hind: share of a stride during which a fore or hind paw stands.
        contacts: phase at which each paw lands: LH, RH, LF, RF (left and right, hind and fore).
        height: mean height of the root [m].
        bobs: number of times a stride that the trunk bobs, pitches and bends: 2 if left and right steps are alike.
        bob: amplitude of the trunk's height [m]; lowest at the phase ``low``.
        pitch: amplitude of the trunk's pitch; the nose is highest at the phase ``pitch_up``.
        roll, yaw: amplitudes of the pelvis's roll and yaw; the chest yaws the other way.
        bend: amplitude of the back's arching; most arched at the phase ``arched``.
        clearance: height of a paw in the middle of its swing [m].
        spread: additional distance of the paws from the middle plane [m].
        lateral_bend: constant bend of the spine into a turn.
        start: phase of the first frame, chosen where the motion is smoothest, because the loop's seam is there.
    """

    name: str
    stride_s: float
    speed: float
    yaw_rate: float
    duty_fore: float
    duty_hind: float
    contacts: dict[str, float]
    height: float
    bob: float
    bobs: int
    low: float
    pitch: float
    pitch_up: float
    roll: float
    yaw: float
    bend: float
    arched: float
    clearance: float
    spread: float = 0.0
    lateral_bend: float = 0.0
    start: float = 0.0


_TROT = Gait(
    name="trot",
    stride_s=28 / 60,
    speed=2.3,
    yaw_rate=0.0,
    duty_fore=0.45,
    duty_hind=0.40,
    contacts={"LH": 0.00, "RF": 0.02, "RH": 0.50, "LF": 0.52},
    height=0.555,
    bob=0.012,
    bobs=2,
    low=0.21,
    pitch=0.8,
    pitch_up=0.1,
    roll=3.0,
    yaw=3.5,
    bend=1.5,
    arched=0.0,
    clearance=0.035,
    start=0.104,
)
GAITS = {
    "trot": _TROT,
    "canter": replace(
        _TROT,
        name="canter",
        stride_s=24 / 60,
        speed=3.2,
        duty_fore=0.35,
        duty_hind=0.35,
        contacts={"RH": 0.00, "LH": 0.25, "LF": 0.29, "RF": 0.55},
        height=0.545,
        bob=0.02,
        bobs=1,
        low=0.42,
        pitch=4.0,
        pitch_up=0.02,
        roll=2.0,
        yaw=2.0,
        bend=6.5,
        arched=0.95,
        clearance=0.06,
        start=0.79,
    ),
    "walk": replace(
        _TROT,
        name="walk",
        stride_s=48 / 60,
        speed=0.85,
        duty_fore=0.65,
        duty_hind=0.62,
        contacts={"LH": 0.00, "LF": 0.19, "RH": 0.50, "RF": 0.69},
        height=0.585,
        bob=0.007,
        low=0.10,
        pitch=1.0,
        roll=4.0,
        yaw=4.5,
        clearance=0.025,
        start=0.27,
    ),
    "pace": replace(
        _TROT,
        name="pace",
        stride_s=32 / 60,
        speed=1.5,
        duty_fore=0.50,
        duty_hind=0.48,
        contacts={"LH": 0.00, "LF": 0.02, "RH": 0.50, "RF": 0.52},
        height=0.58,
        roll=5.0,
        yaw=2.0,
        clearance=0.03,
        start=0.125,
    ),
    "turn": replace(
        _TROT,
        name="turn",
        stride_s=30 / 60,
        speed=0.45,
        yaw_rate=140.0,
        duty_fore=0.52,
        duty_hind=0.50,
        height=0.58,
        bob=0.01,
        clearance=0.03,
        spread=0.06,
        lateral_bend=18.0,
        start=0.03,
    ),
}


def gait_names() -> list[str]:
    """Return the names of all gaits, sorted."""
    return sorted(GAITS)


def gait_at(name: str, speed: float | None = None, yaw_rate: float | None = None) -> Gait:
    """Return a gait at another speed [m/s] or rate of turning to the left [degrees/s].

    At a higher speed, strides are both quicker and longer, and the duration of a swing stays (Maes et al. 2008). The
    duty factor therefore falls with speed. Raises InputError for an unknown gait, or a speed outside 0.05 to 2 times the
    speed in ``GAITS``.
    """
    if name not in GAITS:
        raise InputError(f"no gait '{name}'; {nearest(name, GAITS)}")
    gait = GAITS[name]
    if yaw_rate is not None:
        gait = replace(gait, yaw_rate=yaw_rate, lateral_bend=math.copysign(min(18.0, abs(yaw_rate) * 0.12), yaw_rate))
    if speed is None or speed == gait.speed:
        return gait
    if not 0.05 <= speed / gait.speed <= 2.0:
        raise InputError(
            f"{name} at {speed:g} m/s: possible speeds are {0.05 * gait.speed:.2g} to {2 * gait.speed:.2g} m/s"
        )
    stride = gait.stride_s * (gait.speed / speed) ** 0.4
    longest = 1.6 * gait.stride_s
    stride = min(stride, longest)
    swing = {fore: (1 - duty) * gait.stride_s for fore, duty in ((True, gait.duty_fore), (False, gait.duty_hind))}
    duty = {fore: min(max(1 - time / stride, 0.2), 0.8) for fore, time in swing.items()}
    return replace(gait, speed=speed, stride_s=stride, duty_fore=duty[True], duty_hind=duty[False])


def author_gait(name: str, speed: float | None = None, yaw_rate: float | None = None) -> Motion:
    """Author one stride of a gait on the dog as a loop, at about 120 frames a second, from the origin and facing x.

    Raises InputError for an unknown gait, or a speed or rate of turning that is beyond the reach of the legs.
    """
    gait = gait_at(name, speed, yaw_rate)
    dog = load_character("dog")
    frames = round(gait.stride_s * _FPS)
    parts = np.arange(frames + 1) / frames
    phase = gait.start + parts
    trunk = _trunk(gait, phase)
    joints = {joint.name: j for j, joint in enumerate(dog.joints)}
    world = dict(trunk.turns)
    poses = {key: _leg_pose(gait, dog, key, phase, trunk) for key in _LEGS}
    reach = max(float(pose.overreach.max()) for pose, _ in poses.values())
    if reach > 0.002:
        raise InputError(
            f"{name} at {gait.speed:g} m/s and {gait.yaw_rate:g} degrees/s: the legs are {reach:.2f} m too short; "
            "try a lower speed or a slower turn"
        )
    for pose, leg in poses.values():
        world |= dict(zip(leg.joints, pose.bodies, strict=True))
    quat = np.zeros((frames + 1, len(joints), 4))
    for joint, j in joints.items():
        body = dog.bodies[dog.body_index(joint)]
        local = np.swapaxes(world[dog.bodies[body.parent].name], 1, 2) @ world[joint]
        quat[:, j] = _quat(local)
    origin = trunk.root * np.array([1.0, 1.0, 0.0])
    return Motion(
        name=f"{name}-authored",
        character=dog.name,
        joint_names=tuple(joints),
        times=torch.from_numpy(parts * gait.stride_s),
        root_pos_w=torch.from_numpy(trunk.root - origin[:1]),
        root_quat_w=quat_hemisphere(torch.from_numpy(_quat(world["root"]))),
        joint_quat=quat_hemisphere(torch.from_numpy(quat)),
        loop=True,
        source=f"authored: {gait.name}, {gait.speed:g} m/s, stride {gait.stride_s:.3f} s (synthetic)",
        license=LICENCE,
    )


@dataclass(frozen=True)
class _Trunk:
    """The trunk over T frames: root position (T, 3) [m]; by body, orientation (T, 3, 3) and yaw (T,) [rad]."""

    root: Array
    turns: dict[str, Array]
    yaw: dict[str, Array]


def _trunk(gait: Gait, phase: Array) -> _Trunk:
    """Compute root, spine, neck, head and tail at the phases (T,)."""
    heading = _heading(gait, phase)
    wave = 2 * math.pi * phase
    rolled = gait.roll * np.cos(wave - math.pi)  # most at the contact of the right hind foot
    swung = -gait.yaw * np.cos(wave)  # the hip of the foot that lands is ahead
    nod = gait.pitch * np.cos(gait.bobs * (wave - 2 * math.pi * gait.pitch_up))
    arch = gait.bend * np.cos(gait.bobs * (wave - 2 * math.pi * gait.arched))
    lean = math.atan(gait.speed * gait.yaw_rate * _DEGREE / 9.81) / _DEGREE
    # arched: the pelvis tucks under (nose of its frame up), the chest bows down
    yaw = {
        "root": heading + swung - gait.lateral_bend / 2,
        "spine0": heading + swung / 3 - gait.lateral_bend / 6,
        "spine1": heading - swung + gait.lateral_bend / 2,
    }
    up = {"root": nod + 0.8 * arch - 1.0, "spine0": nod + 0.2 * arch - 2.0, "spine1": nod - arch - 3.5}
    roll = {"root": rolled - lean, "spine0": 0.3 * rolled - lean, "spine1": -0.5 * rolled - lean}
    lead = _heading(gait, phase + 0.1) - heading  # neck and head look where the way leads
    yaw["neck"] = heading + 0.6 * lead + gait.lateral_bend
    yaw["head"] = heading + lead + 1.3 * gait.lateral_bend
    steady = 0.35 * (up["spine1"] + 3.5)
    up["neck"], up["head"] = 40.0 - steady, 70.0 - 0.5 * steady
    roll["neck"], roll["head"] = 0.3 * roll["spine1"], np.zeros_like(phase)
    late = np.cos(wave - 0.25 * 2 * math.pi), np.cos(wave - 0.4 * 2 * math.pi)
    bounce = gait.bob / 0.012 * 2.5
    yaw["tail0"], yaw["tail1"] = yaw["root"] + 2.0 * gait.yaw * late[0], yaw["root"] + 3.5 * gait.yaw * late[1]
    twice = [np.cos(gait.bobs * (wave - 2 * math.pi * (gait.low + lag))) for lag in (0.08, 0.16)]
    up["tail0"], up["tail1"] = 26.0 + 0.5 * arch + bounce * twice[0], 14.0 + 0.5 * arch + 1.8 * bounce * twice[1]
    roll["tail0"] = roll["tail1"] = np.zeros_like(phase)
    turns = {name: _turn(yaw[name], up[name], roll[name]) for name in yaw}
    centre = _centre(gait, phase)
    ahead = np.stack((np.cos(heading * _DEGREE), np.sin(heading * _DEGREE)), -1)
    height = gait.height - gait.bob * np.cos(gait.bobs * (wave - 2 * math.pi * gait.low))
    root = np.concatenate((centre - _CENTRE * ahead, height[:, None]), 1)
    return _Trunk(root, turns, {name: yaw[name] * _DEGREE for name in ("root", "spine1")})


def _leg_pose(gait: Gait, dog: Character, key: str, phase: Array, trunk: _Trunk) -> tuple[LegPose, Leg]:
    """Compute the pose of a leg (LH, RH, LF or RF) at the phases (T,): its paw stands on a foothold or swings to the next."""
    side, fore = _LEGS[key]
    leg = dog_leg(dog, side, fore)
    duty = gait.duty_fore if fore else gait.duty_hind
    since = phase - gait.contacts[key]
    stride = np.floor(since)
    own = since - stride  # 0 at contact, ``duty`` at lift-off
    swing = np.clip((own - duty) / (1 - duty), 0.0, 1.0)
    # from rest to nearly rest: a paw that has stopped before it lands would have to reach too far ahead
    eased = swing**3 * (10 - 15 * swing + 6 * swing**2) - _LANDING * swing**3 * (4 - 7 * swing + 3 * swing**2)
    here, yaw_here = _foothold(gait, dog, leg, key, stride)
    there, yaw_there = _foothold(gait, dog, leg, key, stride + 1)
    edge = here + eased[:, None] * (there - here)
    paw_yaw = (yaw_here + eased * (yaw_there - yaw_here)) * _DEGREE
    pitch = _PAW_PITCH[fore](_warp(own, duty)) * _DEGREE
    slope = _SLOPE[fore](_warp(own, duty)) * _DEGREE
    paw = paw_joint(leg, edge, paw_yaw, pitch)
    paw[:, 2] += gait.clearance * (4 * swing * (1 - swing)) ** 1.6
    base = trunk.root + _base(dog, leg, trunk)
    forward = trunk.yaw["spine1" if fore else "root"]
    return place(leg, base, forward, paw, slope, paw_yaw, pitch), leg


def _base(dog: Character, leg: Leg, trunk: _Trunk) -> Array:
    """Return the vector (T, 3) [m] from the root to the first joint of a leg, in world axes."""
    place_ = np.zeros_like(trunk.root)
    body = dog.bodies[dog.body_index(leg.joints[0])]
    while body.parent >= 0:
        above = dog.bodies[body.parent]
        place_ += trunk.turns[above.name] @ np.array(body.offset)
        body = above
    return place_


def _foothold(gait: Gait, dog: Character, leg: Leg, key: str, stride: Array) -> tuple[Array, Array]:
    """Return the foothold in each stride (T,): the sole's front edge (T, 2) [m] and the yaw (T,) [degrees].

    ``_AHEAD`` states how much of the stance path is ahead of the hip or the shoulder.
    """
    fore = _LEGS[key][1]
    duty = gait.duty_fore if fore else gait.duty_hind
    middle = stride + gait.contacts[key] + duty / 2
    way = gait.speed * gait.stride_s * duty
    offset = np.zeros(3)
    body = dog.bodies[dog.body_index(leg.joints[0])]
    across = math.copysign(1.0, body.offset[1])
    while body.parent >= 0:
        offset += body.offset
        body = dog.bodies[body.parent]
    half_bend = gait.lateral_bend / 2 * (1 if fore else -1) * _DEGREE
    x = offset[0] - _CENTRE + (_AHEAD[fore] - 0.5) * way + leg.edge[0]
    y = across * (abs(offset[1]) - (0.025 if fore else 0.005) + gait.spread) + math.sin(half_bend) * abs(x) * 0.4
    heading = _heading(gait, middle)
    c, s = np.cos(heading * _DEGREE), np.sin(heading * _DEGREE)
    return _centre(gait, middle) + np.stack((c * x - s * y, s * x + c * y), -1), heading


def _heading(gait: Gait, phase: Array) -> Array:
    """Return the path's heading (T,) [degrees] at phases (T,), which may exceed a stride; it is zero at the start."""
    return gait.yaw_rate * gait.stride_s * (phase - gait.start)


def _centre(gait: Gait, phase: Array) -> Array:
    """Return the path's points (T, 2) [m] at phases (T,), on a straight line or on a circle."""
    way, turned = gait.speed * gait.stride_s * (phase - gait.start), _heading(gait, phase) * _DEGREE
    if abs(gait.yaw_rate) < 1e-6:
        return np.stack((way, np.zeros_like(way)), -1)
    radius = gait.speed / (gait.yaw_rate * _DEGREE)
    return radius * np.stack((np.sin(turned), 1 - np.cos(turned)), -1)


def _warp(own: Array, duty: float) -> Array:
    """Map a leg's phase so that stance becomes 0 to 1 and swing 1 to 2."""
    return np.where(own < duty, own / duty, 1 + (own - duty) / (1 - duty))


def _periodic(keys: dict[float, float], smooth: bool) -> "CubicSpline | PchipInterpolator":
    """Return a curve of period 2 through ``keys``, which maps phases (of ``_warp``) to values.

    ``smooth`` makes a cubic spline, which may overshoot between the keys.
    """
    x, y = np.array(list(keys)), np.array(list(keys.values()))
    if smooth:
        return CubicSpline(np.append(x, 2.0), np.append(y, y[0]), bc_type="periodic")
    around = np.concatenate((x - 2, x, x + 2)), np.concatenate((y, y, y))
    return PchipInterpolator(*around)


# how far the segment above the paw leans back [degrees]: in stance from landing to lift-off, then through the swing
_SLOPE = {
    True: _periodic({0.0: 30.0, 0.5: 14.0, 1.0: -34.0, 1.33: -70.0, 1.62: -34.0, 1.86: 31.0}, smooth=True),
    False: _periodic({0.0: 20.0, 0.5: 26.0, 1.0: -10.0, 1.3: -42.0, 1.6: -10.0, 1.85: 18.0}, smooth=True),
}
# the paw's own pitch, nose down [degrees]: flat in stance, rolling off at its end, hanging in the swing
_PAW_PITCH = {
    True: _periodic({0.0: 0.0, 0.72: 0.0, 1.0: 24.0, 1.35: 62.0, 1.65: 36.0, 1.95: 0.0}, smooth=False),
    False: _periodic({0.0: 0.0, 0.72: 0.0, 1.0: 24.0, 1.35: 48.0, 1.65: 24.0, 1.95: 0.0}, smooth=False),
}


def _turn(yaw: Array, up: Array, roll: Array) -> Array:
    """Return rotations (T, 3, 3) from yaw to the left, pitch of the nose upward and roll to the right [degrees]."""
    angles = np.stack(np.broadcast_arrays(yaw, -np.asarray(up), roll), -1)
    return Rotation.from_euler("ZYX", angles, degrees=True).as_matrix()


def _quat(matrices: Array) -> Array:
    """Convert rotation matrices (T, 3, 3) to quaternions (T, 4) wxyz."""
    return Rotation.from_matrix(matrices).as_quat(scalar_first=True)
