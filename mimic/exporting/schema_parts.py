"""The content of skeleton.json and control.json, and of ``cycle`` in reference.json."""

from typing import Any

from torch import Tensor

from characters import Character
from mimic.exporting.observation_schema import dof_names
from mimic.exporting.qpos_layout import ROOT_QVEL, joint_addresses, qpos_size
from mimic.exporting.tensors import exact
from mimic.tracking import TrackingEnv
from mimic.tracking.termination import forbidden_bodies


def skeleton(character: Character) -> dict[str, Any]:
    """Return skeleton.json without its schema version: bodies, joints, and their addresses in qpos and qvel."""
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
        "bodies": _bodies(character),
        "joints": _joints(character),
        "end_effectors": list(character.end_effectors),
        "mirror_pairs": [list(pair) for pair in character.config.mirror_pairs],
    }


def _joints(character: Character) -> list[dict[str, Any]]:
    """Return name, kind, limits and addresses of every joint."""
    body_of = {body.joint: body.name for body in character.bodies if body.joint is not None}
    return [
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


def _bodies(character: Character) -> list[dict[str, Any]]:
    """Return name, parent, mass and geom of every body."""
    return [
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


def control(env: TrackingEnv) -> dict[str, Any]:
    """Return control.json without its schema version: rates, servo, meaning of an action, rules of the task."""
    character, task = env.character, env.rules
    simulation = character.simulation
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
        "action": _action(env),
        "task": {
            "sync_root_pos": task.sync_root_pos,
            "sync_root_yaw": task.sync_root_yaw,
            "fallen_if_below_ground": forbidden_bodies(character, task),
            "contact_height": env.config.termination.contact_height,
        },
    }


def _action(env: TrackingEnv) -> dict[str, Any]:
    """Return mode, scale and bounds of an action, in the order of the degrees of freedom."""
    action = env.action
    return {
        "mode": action.config.mode,
        "meaning": "servo target = base + scale * action; base is the reference pose lead_s ahead (mode reference) "
        "or offset (mode absolute); a ball joint's three targets are a rotation vector, child in parent [rad]",
        "lead_s": action.config.lead_s,
        "order": dof_names(env.character),
        "offset": exact(action.offset),
        "scale": exact(action.scale),
        "bound": exact(action.bound),
        "bound_meaning": "the learner kept means within this; nothing clips",
    }


def cycle(env: TrackingEnv) -> dict[str, Any]:
    """Return the displacement [m] and turn [rad] from one cycle of the clip to the next."""
    clock = env.tracker

    def numbers(tensor: Tensor) -> Any:
        return tensor.double().tolist()

    return {
        "displacement": numbers(clock.reference.cycle_displacement[0]),
        "first_pos": numbers(clock.first_pos[0]),
        "yaw": numbers(clock.cycle_yaw[0]),
    }
