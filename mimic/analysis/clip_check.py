"""Check, without simulation, whether a character can perform a clip with its motors.

Torques are a rough estimate by Newton's law for the centres of mass, without the bodies' rotation. The ground's force is
shared by the standing feet; a foot nearer to the point where the force must act carries more. The estimate is exact for a
static pose in the air, and elsewhere has an error of about a third. That is enough to recognise a clip that needs twice a
joint's limit.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from characters import BodyState, Character, Kinematics
from characters.ground_contact import ContactRule
from mimic.core.rotations import cross, quat_rotate
from mimic.evaluation.feet import Feet
from mimic.tracking.clip_rules import ClipRules
from mimic.tracking.reference import sample_motion
from mimic.tracking.termination import forbidden_bodies
from mocap.motion import Motion
from retarget.ground import lift_penetration, lowest_heights

GRAVITY = 9.81  # [m/s^2]
_STEP_S, _APART = 1 / 60, 3  # accelerations are differences of positions 3 steps (0.05 s) apart
_STANDING = ContactRule(touch=0.06)  # of a body's lowest point [m]


@dataclass(frozen=True)
class ClipCheck:
    """Demands of a clip.

    Attributes:
        sinks_m: largest depth of the recording below the ground [m].
        forbidden: body that touches the ground but may not -> share of the time.
        torque: joint -> (share of the time above its limit, peak as a multiple of the limit, time of the peak [s]), the
            worst joint first.
        hovers_share: share of the time for which the character is in the air and does not fall.
    """

    sinks_m: float
    forbidden: dict[str, float]
    torque: dict[str, tuple[float, float, float]]
    hovers_share: float


def check_clip(
    motion: Motion, character: Character, task: ClipRules, contact_height: float, asked: Motion | None = None
) -> ClipCheck:
    """Check a clip as recorded (``motion``), and as the character must perform it (``asked``).

    ``asked`` is by default the recording lifted out of the ground. ``contact_height``: a body whose lowest point is below
    this height [m] touches the ground.
    """
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
    """Combine the checks of several clips: the result holds the largest demand of each quantity."""
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
    """Estimate the torque of each joint, (T, J) [N·m]: the norm for a ball joint, the torque about the axis for a hinge.

    Args:
        character: the character.
        kinematics: of the character.
        bodies: poses (T, B).
        acceleration: (T, B, 3) of the bodies' centres of mass [m/s^2].
        feet: (T, B, 3) lowest points, and (T, B) bool, the bodies that bear weight.
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
    """Divide the ground's force among the standing feet: force on each body, (T, B, 3) [N], zero in the air."""
    total = needed.sum(1)
    # the point at which a single force of the ground balances all moments
    moment = cross(com, needed).sum(1)
    vertical = total[:, 2:].clamp_min(1.0)
    centre = torch.cat((-moment[:, 1:2], moment[:, :1]), -1) / vertical
    nearness = bears / ((point[..., :2] - centre[:, None]).norm(dim=-1) + 0.05)
    share = nearness / nearness.sum(1, keepdim=True).clamp_min(1e-9)
    return share[..., None] * total[:, None]


def _feet_points(bodies: BodyState, character: Character, task: ClipRules) -> tuple[Tensor, Tensor]:
    """Return a point of each body, (T, B, 3) [m], and whether the body is a standing foot, (T, B) bool.

    The point is the joint's position; for a foot, its height is replaced by that of the foot's lowest point.
    """
    feet = Feet(character, task)
    height = feet.contact(bodies).height
    ids = [character.body_index(name) for name in feet.names]
    point, bears = bodies.pos_w.clone(), torch.zeros(bodies.pos_w.shape[:2], dtype=torch.bool)
    point[:, ids, 2] = height
    bears[:, ids] = _STANDING.stands(height)
    return point, bears


def _accelerations(pos: Tensor, dt: float) -> Tensor:
    """Return the accelerations [m/s^2] as second differences of ``pos`` (T, B, 3) [m]; the ends of the clip are cut off."""
    ahead, now, behind = pos[2 * _APART :], pos[_APART:-_APART], pos[: -2 * _APART]
    return (ahead - 2 * now + behind) / (_APART * dt) ** 2


def _hovering(character: Character, acceleration: Tensor, lowest: Tensor) -> float:
    """Return the share of the time for which the character is in the air and does not fall.

    It does not fall if the acceleration of its centre of mass differs from gravity by more than half of gravity.
    """
    mass = acceleration.new_tensor([body.mass for body in character.bodies]) / character.mass
    com = (acceleration * mass[:, None]).sum(1) + acceleration.new_tensor([0.0, 0.0, GRAVITY])
    in_air = ~_STANDING.stands(lowest.amin(1))
    return float((in_air & (com.norm(dim=-1) > 0.5 * GRAVITY)).double().mean())


def _below(character: Character, b: int) -> list[int]:
    """Return the indices of body ``b`` and of all its descendants."""
    below = {b}
    for i, body in enumerate(character.bodies):
        if body.parent in below:
            below.add(i)
    return sorted(below)
