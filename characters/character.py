"""A character: an articulated figure, read from an MJCF file and a YAML file.

The MJCF holds shape, mass and joints; the YAML holds gains, limits and weights. Bodies and joints keep MuJoCo's
depth-first order. The YAML refers to bodies and joints by name.
"""

import dataclasses
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import mujoco

from characters.checked_mjcf import check_mjcf, check_model
from characters.registry import CHARACTERS, character_names
from characters.roles import ROLES
from mimic.core.errors import ConfigError, InputError, nearest
from mimic.core.strict_config import build, read_yaml


@dataclass(frozen=True)
class Geom:
    """A collision primitive in its body's frame.

    ``size`` [m] is MuJoCo's: a sphere's radius, a capsule's radius and half length, or a box's half extents.
    """

    shape: Literal["sphere", "capsule", "box"]
    size: tuple[float, ...]
    pos: tuple[float, ...]
    quat: tuple[float, ...]


@dataclass(frozen=True)
class Body:
    """A rigid link whose frame sits at its joint.

    ``parent`` is an index of a body, -1 for the root. ``joint`` is an index of a joint, None for the root and for a body
    that is fixed to its parent.
    """

    name: str
    parent: int
    offset: tuple[float, ...]  # of the joint, in the parent's frame [m]
    joint: int | None
    mass: float  # [kg]
    com: tuple[float, ...]  # in the body's frame [m]
    geom: Geom


@dataclass(frozen=True)
class Joint:
    """A ball joint or a hinge.

    ``kp`` [N·m/rad] and ``kd`` [N·m·s/rad] are the servo's gains, ``torque_limit`` is in N·m. ``weight`` is the relative
    weight of the joint's error in the pose reward.
    """

    name: str
    kind: Literal["ball", "hinge"]
    axis: tuple[float, ...]
    range: tuple[float, float] | None  # [rad], hinges only
    kp: float
    kd: float
    torque_limit: float
    weight: float
    dof: slice  # into (N, A) vectors


@dataclass(frozen=True)
class JointConfig:
    """The settings of one joint in the YAML: ``kp``, ``kd``, ``torque_limit`` and ``weight``, as in ``Joint``."""

    kp: float
    kd: float
    torque_limit: float
    weight: float

    def __post_init__(self) -> None:
        if min(self.kp, self.torque_limit) <= 0 or min(self.kd, self.weight) < 0:
            raise ValueError(
                f"kp {self.kp:g} and torque_limit {self.torque_limit:g} must be above 0, "
                f"kd {self.kd:g} and weight {self.weight:g} at least 0"
            )


@dataclass(frozen=True)
class SimulationConfig:
    """Time stepping and contact settings: a control step has ``substeps`` physics steps of ``sim_dt`` [s] each.

    A joint's rotor has the inertia kd * ``armature_s`` [kg·m²], where kd is the joint's damping gain. That keeps the servo
    stable at time steps up to ``armature_s`` [s] (mimic/sim/pd_controller.py).
    """

    sim_dt: float = 1 / 120
    substeps: int = 4
    armature_s: float = 1 / 120
    solver_iterations: int = 10
    self_collision: bool = False

    def __post_init__(self) -> None:
        if self.sim_dt <= 0 or min(self.substeps, self.solver_iterations) < 1:
            raise ValueError(
                f"sim_dt {self.sim_dt:g} must be above 0, substeps {self.substeps} and "
                f"solver_iterations {self.solver_iterations} at least 1"
            )
        if self.armature_s < self.sim_dt * (1 - 1e-9):
            raise ValueError(
                f"armature_s {self.armature_s:g} must be at least sim_dt, {self.sim_dt:g}, or the servo is unstable"
            )

    @property
    def control_dt(self) -> float:
        """Time between two actions [s]."""
        return self.sim_dt * self.substeps


@dataclass(frozen=True)
class KeyBody:
    """The point of a character that plays a role in retargeting (roles.py): ``at`` [m] in the frame of ``body``."""

    body: str
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class CharacterConfig:
    """The character's YAML file, key by key.

    Attributes:
        root_weight: weight of the root's rotation in the pose reward, beside the weights of the joints.
        end_effectors: bodies that the end-effector reward compares.
        allowed_contacts: bodies that may touch the ground without ending the episode.
        mirror_pairs: bodies that swap places when a motion is mirrored.
        deepmimic_order: the bodies in the order of DeepMimic's clip files; empty for a character without such clips.
        key_bodies: for each role of roles.py, the body that plays it in retargeting.
    """

    name: str
    model: str
    mass_kg: float
    dof: int
    root_weight: float
    joints: dict[str, JointConfig]
    end_effectors: tuple[str, ...]
    allowed_contacts: tuple[str, ...]
    mirror_pairs: tuple[tuple[str, str], ...]
    simulation: SimulationConfig
    deepmimic_order: tuple[str, ...] = ()
    key_bodies: dict[str, KeyBody] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Character:
    """An articulated figure: its bodies, its joints and its settings. ``dof`` includes the 6 of the free root."""

    name: str
    bodies: tuple[Body, ...]
    joints: tuple[Joint, ...]
    config: CharacterConfig
    model_path: Path

    @property
    def mass(self) -> float:
        """Total mass [kg]."""
        return sum(body.mass for body in self.bodies)

    @property
    def dof(self) -> int:
        """Degrees of freedom with the root's 6: humanoid 34, dog 64."""
        return 6 + self.num_actuated

    @property
    def num_actuated(self) -> int:
        """Number A of actuated degrees of freedom."""
        return int(self.joints[-1].dof.stop)

    @property
    def simulation(self) -> SimulationConfig:
        """Time stepping and contact settings."""
        return self.config.simulation

    @property
    def end_effectors(self) -> tuple[str, ...]:
        """Names of the bodies that the end-effector reward compares."""
        return self.config.end_effectors

    def body_index(self, name: str) -> int:
        """Return the index of the body ``name``. Raises InputError with the nearest names if there is none."""
        return _index(name, [body.name for body in self.bodies], f"{self.name} has no body")

    def joint_index(self, name: str) -> int:
        """Return the index of the moving joint ``name``. Raises InputError with the nearest names if there is none."""
        return _index(name, [joint.name for joint in self.joints], f"{self.name} has no moving joint")

    def mj_model(self, visual: bool = True) -> mujoco.MjModel:
        """Compile the specification `mj_spec`."""
        return self.mj_spec(visual).compile()

    def mj_spec(self, visual: bool = True) -> mujoco.MjSpec:
        """Return a new MuJoCo specification with a torque motor on every actuated axis.

        Every joint has the damping ``kd`` and the armature kd * ``armature_s``.
        ``visual=False`` leaves out geoms that never collide, which would cost a tenth of the simulation's time.
        """
        sim = self.simulation
        spec = mujoco.MjSpec.from_file(str(self.model_path))
        spec.compiler.discardvisual = not visual
        spec.option.timestep = sim.sim_dt
        spec.option.iterations = sim.solver_iterations
        spec.option.integrator = mujoco.mjtIntegrator.mjINT_EULER
        spec.option.disableflags |= mujoco.mjtDisableBit.mjDSBL_EULERDAMP | mujoco.mjtDisableBit.mjDSBL_AUTORESET
        if sim.self_collision:
            for geom in (g for g in spec.geoms if g.conaffinity == 1):
                geom.contype = 1
        for joint in self.joints:
            moving = spec.joint(joint.name)
            moving.damping = [joint.kd, 0.0, 0.0]
            moving.armature = joint.kd * sim.armature_s
            for axis in range(joint.dof.stop - joint.dof.start):
                actuator = spec.add_actuator(name=f"{joint.name}_{axis}", target=joint.name)
                actuator.trntype = mujoco.mjtTrn.mjTRN_JOINT
                actuator.gear = [float(i == axis) for i in range(6)]
                actuator.set_to_motor()
        return spec


@cache
def load_character(name: str) -> Character:
    """Load a registered character by its name, or any character by the path of its YAML.

    A character that is loaded by path has the path as its name, also in clips.

    Raises:
        InputError: no such character, or its MJCF and YAML disagree.
    """
    registered = not name.endswith((".yaml", ".yml"))
    path = CHARACTERS.get(name) if registered else Path(name)
    if not path.is_file():
        raise InputError(f"no character '{name}'; {nearest(name, character_names())}")
    config = build(CharacterConfig, read_yaml(path), str(path))
    model_path = path.parent / config.model
    if Path(config.model).name != config.model or not model_path.is_file():
        raise ConfigError(f"{path}: model '{config.model}' must be the name of a file in the same folder")
    if not registered:
        check_mjcf(model_path)
    try:
        model = mujoco.MjModel.from_xml_path(str(model_path))
    except ValueError as error:
        raise ConfigError(f"{model_path}: MuJoCo cannot compile it: {' '.join(str(error).split())}") from None
    check_model(model, model_path)
    joints = _read_joints(model, config, path)
    if registered and config.name != name:
        raise ConfigError(f"{path}: name is '{config.name}' but must be '{name}', like the folder")
    character = Character(name, _read_bodies(model, joints, path), joints, config, model_path)
    _check(character, path)
    return character


def _read_joints(model: mujoco.MjModel, config: CharacterConfig, path: Path) -> tuple[Joint, ...]:
    moving = [model.joint(i) for i in range(model.njnt) if model.jnt_type[i] != mujoco.mjtJoint.mjJNT_FREE]
    _one_joint_a_body([model.body(int(joint.bodyid[0])).name for joint in moving], path)
    missing = {joint.name for joint in moving} ^ set(config.joints)
    if missing:
        raise ConfigError(
            f"{path}: every moving joint must be in the YAML and the MJCF; only one has {', '.join(sorted(missing))}"
        )
    joints, start = [], 0
    for joint in moving:
        ball = joint.type[0] == mujoco.mjtJoint.mjJNT_BALL
        stop = start + (3 if ball else 1)
        limits = tuple(map(float, joint.range)) if not ball and model.jnt_limited[joint.id] else None
        settings = dataclasses.asdict(config.joints[joint.name])
        axis = tuple(map(float, joint.axis))
        joints.append(
            Joint(joint.name, "ball" if ball else "hinge", axis, limits, dof=slice(start, stop), **settings)  # type: ignore[arg-type]
        )
        start = stop
    return tuple(joints)


def _one_joint_a_body(bodies: list[str], path: Path) -> None:
    for body in bodies:
        if bodies.count(body) > 1:
            raise ConfigError(
                f"{path}: body '{body}' has {bodies.count(body)} joints; it may have one ball joint or hinge"
            )


def _read_bodies(model: mujoco.MjModel, joints: tuple[Joint, ...], path: Path) -> tuple[Body, ...]:
    index = {int(model.joint(joint.name).bodyid[0]): i for i, joint in enumerate(joints)}
    shapes: dict[int, Literal["sphere", "capsule", "box"]] = {
        mujoco.mjtGeom.mjGEOM_SPHERE: "sphere",
        mujoco.mjtGeom.mjGEOM_CAPSULE: "capsule",
        mujoco.mjtGeom.mjGEOM_BOX: "box",
    }
    bodies = []
    for b in range(1, model.nbody):
        body = model.body(b)
        geoms = [g for g in range(model.ngeom) if model.geom_bodyid[g] == b and model.geom_conaffinity[g]]
        if len(geoms) != 1 or int(model.geom_type[geoms[0]]) not in shapes:
            found = ", ".join(mujoco.mjtGeom(model.geom_type[g]).name[7:].lower() for g in geoms) or "none"
            raise ConfigError(
                f"{path}: body '{body.name}' needs exactly one colliding sphere, capsule or box; found {found}"
            )
        g = geoms[0]
        shape = shapes[int(model.geom_type[g])]
        size = model.geom_size[g][: {"sphere": 1, "capsule": 2, "box": 3}[shape]]
        geom = Geom(shape, _floats(size), _floats(model.geom_pos[g]), _floats(model.geom_quat[g]))
        bodies.append(
            Body(
                name=body.name,
                parent=int(body.parentid[0]) - 1,
                offset=_floats(body.pos) if b > 1 else (0.0, 0.0, 0.0),
                joint=index.get(b),
                mass=float(body.mass[0]),
                com=_floats(body.ipos),
                geom=geom,
            )
        )
    return tuple(bodies)


def _check(character: Character, path: Path) -> None:
    config = character.config
    if abs(character.mass - config.mass_kg) > 1e-6:
        raise ConfigError(f"{path}: mass_kg is {config.mass_kg}, but the MJCF's bodies weigh {character.mass:.6f} kg")
    if character.dof != config.dof:
        raise ConfigError(f"{path}: dof is {config.dof}, but the MJCF has {character.dof} degrees of freedom")
    for role in config.key_bodies:
        if role not in ROLES:
            raise ConfigError(f"{path}: key_bodies: no role '{role}'; {nearest(role, ROLES)}")
    names = {body.name for body in character.bodies}
    keys = tuple(key.body for key in config.key_bodies.values())
    lists = (config.end_effectors, config.allowed_contacts, config.deepmimic_order, keys, *config.mirror_pairs)
    for name in (name for names_in_list in lists for name in names_in_list):
        if name not in names:
            raise ConfigError(f"{path}: the MJCF has no body '{name}'; {nearest(name, names)}")


def _index(name: str, names: list[str], complaint: str) -> int:
    if name not in names:
        raise InputError(f"{complaint} '{name}'; {nearest(name, names)}")
    return names.index(name)


def _floats(values: object) -> tuple[float, ...]:
    return tuple(float(v) for v in values)  # type: ignore[attr-defined]
