"""Whether a clip can be performed at all: what it asks of motors and ground, from the clip alone.

Torques are a rough estimate (Newton's law for the bodies' centres of mass, without their spin; the ground's force shared
out among the feet that stand, the nearer ones to where it must act bearing more). It is exact for a pose held in the air
and right to perhaps a third elsewhere: enough to tell a clip that asks for twice a joint's limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from characters import BodyState, Character, Kinematics
from mimic.core.rotations import cross, quat_rotate
from mimic.evaluation.feet import Feet
from mimic.tracking.clip_rules import TaskConfig
from mimic.tracking.reference import sample_motion
from mimic.tracking.termination import forbidden_bodies
from mocap.motion import Motion
from retarget.ground import lift_penetration, lowest_heights

GRAVITY = 9.81  # [m/s^2]
_STEP_S, _APART = 1 / 60, 3  # accelerations are differences of positions so many steps apart: 0.05 s smooth
_STANDS_M = 0.06


@dataclass(frozen=True)
class ClipCheck:
    """What a clip asks for.

    Attributes:
        sinks_m: how deep the recording goes below the ground [m].
        forbidden: body that may not touch the ground but does in the clip as asked for -> share of the time.
        torque: joint -> (share of the time above the limit, largest share of the limit, when [s]), worst first.
        hovers_share: of the time that the clip is in the air without falling as gravity would have it.
    """

    sinks_m: float
    forbidden: dict[str, float]
    torque: dict[str, tuple[float, float, float]]
    hovers_share: float


def check_clip(
    motion: Motion, character: Character, task: TaskConfig, contact_height: float, asked: Motion | None = None
) -> ClipCheck:
    """Look at a clip as it was recorded, and as it is ``asked`` for: by default, lifted out of the ground."""
    lifted = asked or lift_penetration(motion, character)
    count = max(2 * _APART + 3, round(lifted.duration / _STEP_S) + 1)
    times = torch.linspace(0, lifted.duration, count, dtype=torch.float64)
    kinematics = Kinematics(character, dtype=torch.float64)
    bodies = kinematics.forward(sample_motion(lifted, character, times))
    lowest = kinematics.lowest_points(bodies)
    touching = {n: lowest[:, character.body_index(n)] < contact_height for n in forbidden_bodies(character, task)}
    middle = slice(_APART, count - _APART)
    accelerations = _accelerations(kinematics.com_positions(bodies), float(times[1]))
    now = bodies[middle]
    feet = _feet_points(now, character, task)
    torque = joint_torques(character, kinematics, now, accelerations, feet)
    limit = torch.tensor([joint.torque_limit for joint in character.joints], dtype=torch.float64)
    share = torque / limit
    rows = {
        joint.name: (
            float((share[:, j] > 1.0).double().mean()),
            float(share[:, j].amax()),
            float(times[middle][share[:, j].argmax()]),
        )
        for j, joint in enumerate(character.joints)
    }
    return ClipCheck(
        sinks_m=max(0.0, -float(lowest_heights(motion, character).min())),
        forbidden={name: float(when.double().mean()) for name, when in touching.items() if bool(when.any())},
        torque=_worst_first(rows),
        hovers_share=_hovering(character, accelerations, lowest[middle]),
    )


def worst(checks: Sequence[ClipCheck]) -> ClipCheck:
    """What the most demanding of several clips asks for, quantity by quantity."""
    forbidden: dict[str, float] = {}
    torque: dict[str, tuple[float, float, float]] = {}
    for check in checks:
        forbidden |= {name: max(share, forbidden.get(name, 0.0)) for name, share in check.forbidden.items()}
        torque |= {name: max(row, torque.get(name, row)) for name, row in check.torque.items()}
    return ClipCheck(
        sinks_m=max(check.sinks_m for check in checks),
        forbidden=forbidden,
        torque=_worst_first(torque),
        hovers_share=max(check.hovers_share for check in checks),
    )


def _worst_first(torque: dict[str, tuple[float, float, float]]) -> dict[str, tuple[float, float, float]]:
    return dict(sorted(torque.items(), key=lambda row: (-row[1][0], -row[1][1])))


def joint_torques(
    character: Character, kinematics: Kinematics, bodies: BodyState, acceleration: Tensor, feet: tuple[Tensor, Tensor]
) -> Tensor:
    """Torque each joint must give, (T, J) [N·m], of a ball joint the norm, of a hinge about its axis.

    Args:
        character: whose bodies these are.
        kinematics: of the character.
        bodies: poses (T, B).
        acceleration: (T, B, 3) of the bodies' centres of mass [m/s^2].
        feet: (T, B, 3) lowest points and (T, B) bool, which bodies bear weight.
    """
    mass = bodies.pos_w.new_tensor([body.mass for body in character.bodies])
    com = kinematics.com_positions(bodies)
    needed = mass[:, None] * (acceleration + acceleration.new_tensor([0.0, 0.0, GRAVITY]))  # force on each body
    point, bears = feet
    push = _ground_forces(com, needed, point, bears)
    result = []
    for index, joint in enumerate(character.joints):
        b = next(i for i, body in enumerate(character.bodies) if body.joint == index)
        below = _below(character, b)
        centre = bodies.pos_w[:, b, None]
        moment = cross(com[:, below] - centre, needed[:, below]) - cross(point[:, below] - centre, push[:, below])
        torque = moment.sum(1)
        if joint.kind == "hinge":
            axis = quat_rotate(bodies.quat_w[:, b], torque.new_tensor(joint.axis).expand_as(torque))
            result.append((torque * axis).sum(-1).abs())
        else:
            result.append(torque.norm(dim=-1))
    return torch.stack(result, 1)


def _ground_forces(com: Tensor, needed: Tensor, point: Tensor, bears: Tensor) -> Tensor:
    """The ground's push on each body, (T, B, 3) [N]: all of it on the feet that stand, nothing in the air."""
    total = needed.sum(1)
    # where one push would hold the balance of moments about the ground
    moment = cross(com, needed).sum(1)
    vertical = total[:, 2:].clamp_min(1.0)
    centre = torch.cat((-moment[:, 1:2], moment[:, :1]), -1) / vertical
    nearness = bears / ((point[..., :2] - centre[:, None]).norm(dim=-1) + 0.05)
    share = nearness / nearness.sum(1, keepdim=True).clamp_min(1e-9)
    return share[..., None] * total[:, None]


def _feet_points(bodies: BodyState, character: Character, task: TaskConfig) -> tuple[Tensor, Tensor]:
    """Lowest points (T, B, 3) of the feet, and which of them stand (T, B)."""
    feet = Feet(character, task)
    height = feet.contact(bodies).height
    ids = [character.body_index(name) for name in feet.names]
    point, bears = bodies.pos_w.clone(), torch.zeros(bodies.pos_w.shape[:2], dtype=torch.bool)
    point[:, ids, 2] = height
    bears[:, ids] = height < _STANDS_M
    return point, bears


def _accelerations(pos: Tensor, dt: float) -> Tensor:
    """Second differences of (T, B, 3) [m/s^2], without the ends."""
    ahead, now, behind = pos[2 * _APART :], pos[_APART:-_APART], pos[: -2 * _APART]
    return (ahead - 2 * now + behind) / (_APART * dt) ** 2


def _hovering(character: Character, acceleration: Tensor, lowest: Tensor) -> float:
    """Share of the time in the air with the centre of mass off a free fall by more than half of gravity."""
    mass = acceleration.new_tensor([body.mass for body in character.bodies]) / character.mass
    com = (acceleration * mass[:, None]).sum(1) + acceleration.new_tensor([0.0, 0.0, GRAVITY])
    in_air = lowest.amin(1) > _STANDS_M
    return float((in_air & (com.norm(dim=-1) > 0.5 * GRAVITY)).double().mean())


def _below(character: Character, b: int) -> list[int]:
    """A body and all that hang on it."""
    below = {b}
    for i, body in enumerate(character.bodies):
        if body.parent in below:
            below.add(i)
    return sorted(below)
