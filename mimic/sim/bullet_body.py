"""Build a character as a pybullet multibody, link by link, without a file.

Frames, masses, inertias, joint axes and limits are exactly MuJoCo's: accelerations agree to 1e-9 (tests/sim). Contact and
stepping are Bullet's own. Two traps of pybullet 3.2.7 shape the code. First, a ball joint turns in the frame of the
child's inertia, so this module never rotates that frame. Second, a call of ``changeDynamics`` with a setting of the whole
body applies its other settings to the wrong link, so every setting has a call of its own.
"""

from types import ModuleType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from characters import Body, Character, Geom
from mimic.core.errors import InputError

_FRICTION = 0.81  # of the pair, as in the MJCF; Bullet multiplies that of the two
_FAST = 1e4  # [m/s, rad/s]: Bullet would cut velocities off at 100, where an engine is to report them
_MENDED_A_SECOND = (
    0.2 * 240
)  # of a penetration: Bullet's share a step at its usual step, or ground would bounce at small ones
_IDENTITY = (0.0, 0.0, 0.0, 1.0)


def connect(bullet: ModuleType, dt: float) -> int:
    """Create a Bullet world with gravity and a ground, stepped by ``dt`` [s]; return pybullet's number of the world."""
    client: int = bullet.connect(bullet.DIRECT)
    if client < 0:
        raise InputError("pybullet has no free world left; simulate fewer environments (--num-envs, --episodes)")
    bullet.setGravity(0.0, 0.0, -9.81, physicsClientId=client)
    erp = _MENDED_A_SECOND * dt
    bullet.setPhysicsEngineParameter(
        fixedTimeStep=dt, numSubSteps=0, erp=erp, contactERP=erp, frictionERP=erp, physicsClientId=client
    )
    plane = bullet.createCollisionShape(bullet.GEOM_PLANE, physicsClientId=client)
    ground = bullet.createMultiBody(0.0, plane, physicsClientId=client)
    bullet.changeDynamics(ground, -1, lateralFriction=1.0, restitution=0.0, physicsClientId=client)
    return client


def add_character(bullet: ModuleType, character: Character, client: int, damping: list[float]) -> int:
    """Add the character to the world ``client``; return pybullet's number of the character.

    ``damping`` holds one value a joint [N·m·s/rad]. Bullet's link i is the character's body i + 1.
    """
    root, links = character.bodies[0], character.bodies[1:]
    joints = [None if body.joint is None else character.joints[body.joint] for body in links]
    kinds = {"ball": bullet.JOINT_SPHERICAL, "hinge": bullet.JOINT_REVOLUTE}
    number: int = bullet.createMultiBody(
        baseMass=root.mass,
        baseCollisionShapeIndex=_shape(bullet, root.geom, client),
        baseInertialFramePosition=root.com,
        linkMasses=[body.mass for body in links],
        linkCollisionShapeIndices=[_shape(bullet, body.geom, client) for body in links],
        linkVisualShapeIndices=[-1] * len(links),
        linkPositions=[body.offset for body in links],
        linkOrientations=[_IDENTITY] * len(links),
        linkInertialFramePositions=[body.com for body in links],
        linkInertialFrameOrientations=[_IDENTITY] * len(links),
        linkParentIndices=[body.parent for body in links],
        linkJointTypes=[bullet.JOINT_FIXED if joint is None else kinds[joint.kind] for joint in joints],
        linkJointAxis=[(0.0, 0.0, 1.0) if joint is None else joint.axis for joint in joints],
        physicsClientId=client,
    )
    for index, body in enumerate(character.bodies):
        bullet.changeDynamics(
            number,
            index - 1,
            localInertiaDiagonal=inertia(body),
            lateralFriction=_FRICTION,
            restitution=0.0,
            physicsClientId=client,
        )
    for setting in ({"linearDamping": 0.0, "angularDamping": 0.0}, {"maxJointVelocity": _FAST}):
        bullet.changeDynamics(number, -1, physicsClientId=client, **setting)
    for link, joint, resistance in zip(moving_links(character), character.joints, damping, strict=True):
        bullet.changeDynamics(number, link, jointDamping=resistance, physicsClientId=client)
        if joint.range is not None:
            low, high = joint.range
            bullet.changeDynamics(number, link, jointLowerLimit=low, jointUpperLimit=high, physicsClientId=client)
        _take_out_motor(bullet, number, link, joint.kind == "ball", client)
    return number


def moving_links(character: Character) -> list[int]:
    """Return the number of the Bullet link that each joint moves, in joint order."""
    link_of = {body.joint: index - 1 for index, body in enumerate(character.bodies) if body.joint is not None}
    return [link_of[joint] for joint in range(len(character.joints))]


def inertia(body: Body) -> tuple[float, ...]:
    """Return the principal moments of inertia [kg·m²] of a body's primitive about the axes of its link.

    Raises:
        InputError: the primitive is rotated against its link, so that these are not its principal axes.
    """
    turn = Rotation.from_quat(body.geom.quat, scalar_first=True).as_matrix()
    tensor: NDArray[np.float64] = turn @ np.diag(_moments(body.geom, body.mass)) @ turn.T
    diagonal = np.diag(tensor)
    if np.abs(tensor - np.diag(diagonal)).max() > 1e-6 * diagonal.max():
        raise InputError(
            f"the bullet engine cannot simulate body '{body.name}', whose shape is rotated against its link; "
            "use --engine mujoco"
        )
    return tuple(float(x) for x in diagonal)


def _moments(geom: Geom, mass: float) -> tuple[float, float, float]:
    """Return the principal moments [kg·m²] of a solid sphere, box or capsule (along z) about its centre."""
    if geom.shape == "box":
        x, y, z = (size * size for size in geom.size)
        return mass * (y + z) / 3, mass * (x + z) / 3, mass * (x + y) / 3
    r = geom.size[0]
    if geom.shape == "sphere":
        return (0.4 * mass * r * r,) * 3
    half = geom.size[1]
    caps = mass / (1 + 1.5 * half / r)  # of the two half balls; the cylinder has the rest
    rod = mass - caps
    along = 0.5 * rod * r * r + 0.4 * caps * r * r
    across = rod * (r * r / 4 + half * half / 3) + caps * (0.4 * r * r + half * half + 0.75 * half * r)
    return across, across, along


def _shape(bullet: ModuleType, geom: Geom, client: int) -> int:
    w, x, y, z = geom.quat
    place = {"collisionFramePosition": geom.pos, "collisionFrameOrientation": (x, y, z, w), "physicsClientId": client}
    if geom.shape == "sphere":
        number = bullet.createCollisionShape(bullet.GEOM_SPHERE, radius=geom.size[0], **place)
    elif geom.shape == "capsule":
        number = bullet.createCollisionShape(bullet.GEOM_CAPSULE, radius=geom.size[0], height=2 * geom.size[1], **place)
    else:
        number = bullet.createCollisionShape(bullet.GEOM_BOX, halfExtents=geom.size, **place)
    return int(number)


def _take_out_motor(bullet: ModuleType, number: int, link: int, ball: bool, client: int) -> None:
    """Disable the motor that pybullet puts into every joint, because it brakes the joint."""
    bullet.setJointMotorControlMultiDof(
        number,
        link,
        bullet.POSITION_CONTROL,
        targetPosition=_IDENTITY if ball else (0.0,),
        positionGain=0.0,
        velocityGain=0.0,
        force=[0.0] * (3 if ball else 1),
        physicsClientId=client,
    )
