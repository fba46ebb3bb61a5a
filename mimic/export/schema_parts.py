"""The parts of a bundle that describe: skeleton, control and observation, each a JSON object."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from characters import Character
from mimic.export.qpos_layout import ROOT_QVEL, joint_addresses, qpos_size
from mimic.export.tensors import exact
from mimic.tracking import TrackingEnv
from mimic.tracking.observation import FIELDS
from mimic.tracking.termination import forbidden_bodies

_REFERENCE = "world turned with the clip (clock yaw)"
_HEADING = "world turned with the root's heading"
_ROT6 = ("xx", "xy", "xz", "zx", "zy", "zz")  # images of the x and of the z axis
_XYZ = ("x", "y", "z")


def skeleton(character: Character) -> dict[str, Any]:
    """Bodies, joints and where their numbers lie."""
    body_of = {body.joint: body.name for body in character.bodies if body.joint is not None}
    joints = [
        {
            "name": joint.name,
            "body": body_of[index],
            "kind": joint.kind,
            "axis": list(joint.axis) if joint.kind == "hinge" else None,
            "range": list(joint.range) if joint.range else None,
            "qpos": address.qpos,
            "qvel": address.qvel,
            "dof": joint.dof.start,
            "dofs": joint.dof.stop - joint.dof.start,
        }
        for index, (joint, address) in enumerate(zip(character.joints, joint_addresses(character), strict=True))
    ]
    bodies = [
        {
            "name": body.name,
            "parent": body.parent,
            "joint": -1 if body.joint is None else body.joint,
            "offset": list(body.offset),
            "mass": body.mass,
            "com": list(body.com),
            "geom": {
                "shape": body.geom.shape,
                "size": list(body.geom.size),
                "pos": list(body.geom.pos),
                "quat": list(body.geom.quat),
            },
        }
        for body in character.bodies
    ]
    return {
        "name": character.name,
        "mass": character.mass,
        "nq": qpos_size(character),
        "nv": ROOT_QVEL + character.num_actuated,
        "num_actuated": character.num_actuated,
        "qpos": "root position xyz [m], root quaternion wxyz, then every joint from its index `qpos` on: 4 numbers wxyz "
        "(child in parent) a ball joint, the angle [rad] of a hinge",
        "qvel": "root velocity xyz [m/s, world], root angular velocity [rad/s, the root's own axes], then every joint "
        "from its index `qvel` on: angular velocity in the child's axes [rad/s], or a hinge's rate",
        "bodies": bodies,
        "joints": joints,
        "end_effectors": list(character.end_effectors),
        "mirror_pairs": [list(pair) for pair in character.config.mirror_pairs],
    }


def control(env: TrackingEnv) -> dict[str, Any]:
    """Rates, servo, what an action means, and the rules of the task."""
    character, action, task = env.character, env.action, env.task
    simulation = character.simulation
    names = _dof_names(character)
    return {
        "control_dt": simulation.control_dt,
        "control_hz": 1.0 / simulation.control_dt,
        "sim_dt": simulation.sim_dt,
        "substeps": simulation.substeps,
        "integrator": "euler",
        "solver_iterations": simulation.solver_iterations,
        "self_collision": simulation.self_collision,
        "joints": [
            {
                "name": joint.name,
                "kp": joint.kp,
                "kd": joint.kd,
                "torque_limit": joint.torque_limit,
                "armature": joint.kd * simulation.armature_s,
            }
            for joint in character.joints
        ],
        "servo": {
            "error": "rotation vector of conj(joint rotation) * exp(target), in the child's axes; target - angle of a hinge",
            "torque": "kp * error - kd * velocity, scaled down so that its norm over the joint keeps to torque_limit",
            "motor": "torque + kd * velocity: what a motor is given where the engine damps the joint by kd itself, "
            "as character.xml does; its joints have `armature` [kg m2] besides, a rotor's inertia, which keeps that stable",
            "renewed": "at every physics step",
        },
        "action": {
            "mode": action.config.mode,
            "meaning": "servo target = base + scale * action; base is the reference pose lead_s ahead (mode reference) "
            "or offset (mode absolute); a ball joint's three targets are a rotation vector, child in parent [rad]",
            "lead_s": action.config.lead_s,
            "order": names,
            "offset": exact(action.offset),
            "scale": exact(action.scale),
            "bound": exact(action.bound),
            "bound_meaning": "the learner kept means within this; nothing clips",
        },
        "task": {
            "sync_root_pos": task.sync_root_pos,
            "sync_root_yaw": task.sync_root_yaw,
            "fallen_if_below_ground": forbidden_bodies(character, task),
            "contact_height": env.config.termination.contact_height,
        },
    }


def observation(env: TrackingEnv) -> dict[str, Any]:
    """Every field and every element of the observation."""
    config, layout = env.config.observation, env.observation.layout
    elements: list[dict[str, Any]] = []
    for name, columns in layout.items():
        parts = _elements(name, env)
        if len(parts) != columns.stop - columns.start:
            raise ValueError(f"observation field {name} has {columns.stop - columns.start} numbers, not {len(parts)}")
        elements += [{"index": len(elements) + i, "field": name, **part} for i, part in enumerate(parts)]
    return {
        "dim": env.obs_dim,
        "frame": config.frame,
        "target_steps": list(config.target_steps),
        "fields": [
            {
                "name": name,
                "start": columns.start,
                "length": columns.stop - columns.start,
                "meaning": " ".join((FIELDS[name].__doc__ or name).split()),
            }
            for name, columns in layout.items()
        ],
        "elements": elements,
    }


def _elements(field: str, env: TrackingEnv) -> list[dict[str, str]]:
    """Name, unit and frame of the numbers of one field, in order."""
    links = _HEADING if env.config.observation.frame == "heading" else _REFERENCE
    character, steps = env.character, env.config.observation.target_steps
    bodies = [body.name for body in character.bodies]
    joints = [joint.name for joint in character.joints]

    def each(names: list[str], parts: tuple[str, ...], unit: str, frame: str) -> list[dict[str, str]]:
        return [{"name": f"{field}.{n}.{p}", "unit": unit, "frame": frame} for n in names for p in parts]

    def one(parts: tuple[str, ...], unit: str, frame: str) -> list[dict[str, str]]:
        return [{"name": f"{field}.{p}", "unit": unit, "frame": frame} for p in parts]

    def root_first(parts: tuple[str, ...], unit: str) -> list[dict[str, str]]:
        return each(bodies[:1], parts, unit, _REFERENCE) + each(bodies[1:], parts, unit, links)

    def targets() -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        for step in steps:
            found += each([f"+{step}"], ("offset_x", "offset_y", "offset_z"), "m", _REFERENCE)
            found += each([f"+{step}"], _ROT6, "1", _REFERENCE)
        return found

    table: dict[str, Callable[[], list[dict[str, str]]]] = {
        "phase": lambda: one(("linear",), "1, -1 at the start of the clip to 1", "none"),
        "phase_circle": lambda: one(("sin", "cos"), "1", "none"),
        "root_height": lambda: one(("z",), "m", "world"),
        "root_rot": lambda: one(_ROT6, "1", _REFERENCE),
        "root_linvel": lambda: one(_XYZ, "m/s", _REFERENCE),
        "root_angvel": lambda: one(_XYZ, "rad/s", _REFERENCE),
        "joint_rot": lambda: each(joints, _ROT6, "1", "child in parent"),
        "joint_vel": lambda: each(_dof_names(character), ("rate",), "rad/s", "child"),
        "body_pos": lambda: each(bodies[1:], _XYZ, "m, from the root", links),
        "link_pos": lambda: each(bodies, _XYZ, "m, centre of mass from the root joint", links),
        "link_rot": lambda: root_first(_ROT6, "1"),
        "link_linvel": lambda: root_first(_XYZ, "m/s, of the centre of mass"),
        "link_angvel": lambda: root_first(_XYZ, "rad/s"),
        "target_root": targets,
        "target_pose": lambda: each(
            [f"+{step}" for step in steps], tuple(_dof_names(character)), "rad", "child in parent"
        ),
    }
    return table[field]()


def _dof_names(character: Character) -> list[str]:
    """A name for every actuated degree of freedom, in order."""
    return [
        f"{joint.name}.{axis}" if joint.kind == "ball" else joint.name
        for joint in character.joints
        for axis in (_XYZ if joint.kind == "ball" else ("angle",))
    ]


def cycle(env: TrackingEnv) -> dict[str, Any]:
    """How one cycle of the clip leads to the next."""
    clock = env.clock

    def numbers(tensor: Tensor) -> Any:
        return tensor.double().tolist()

    return {
        "displacement": numbers(clock.reference.cycle_displacement[0]),
        "first_pos": numbers(clock.first_pos[0]),
        "yaw": numbers(clock.cycle_yaw[0]),
    }
