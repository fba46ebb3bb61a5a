"""Measures retargeting, and beside it a plain loop over the frames with mink, on the same targets in the same run.

mink, an inverse-kinematics library on MuJoCo, gets every key body's target and starts each frame from the solution of
the previous one. It is timed with two stopping rules. Its examples stop within 0.1 mm of the target or after twenty
steps; targets of another body's proportions are never reached. The early rule stops when a step gains less than a
millimetre. Neither loop models contacts, the ground or neighbouring frames. Rates are frames per second of processor
time on one thread.
"""

import time
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import mujoco
import numpy as np
import torch

from characters.character import Character, load_character
from mimic.core.errors import InputError
from mocap.catalogue import list_clips, load_clip
from mocap.formats import read_clip
from mocap.motion import Motion
from mocap.skeleton import Clip, character_motion_as_skeleton
from retarget.configuration import Configuration, KinematicTree
from retarget.ik_objective import IkObjective, first_configuration, make_ik_objective
from retarget.mapping import map_skeleton
from retarget.pipeline import retarget
from retarget.quality_report import make_quality_report
from retarget.retarget_rig import RetargetRig
from retarget.source import Source
from retarget.targets import Targets, make_targets

_ROUNDS = 3
_STEPS, _NEAR, _LEAST_GAIN, _DAMPING = 20, 1e-4, 1e-3, 1e-3
_PEER_FRAMES = 300
_FRAMES = 1000  # at least
_TALLER = 1.07  # scales our own skeleton, so that it counts as a foreign one
_PREFERRED = ("walk", "run", "trot", "pace")  # these first, of a character's clips


def bench_retarget(character_name: str, file: Path | None = None) -> dict[str, Any]:
    """Measure frames per second of complete retargeting and of the loop with mink, and the remaining error of each.

    Raises InputError if mink is not installed, or there is no clip to retarget.
    """
    try:
        import mink  # noqa: F401
    except ImportError:
        raise InputError("bench retarget compares with mink: pip install mink") from None
    character = load_character(character_name)
    clip = read_clip(file) if file else _another_body(character)
    source = Source.of(character_motion_as_skeleton(clip, character) if isinstance(clip, Motion) else clip)
    rates: list[float] = []
    peer_rates: dict[bool, list[float]] = {False: [], True: []}
    rig, tree = RetargetRig(character), KinematicTree(character)
    targets = make_targets(rig, source, map_skeleton(source.names, source.parents, source.pos_w))
    objective = make_ik_objective(rig, tree, targets)
    some = slice(0, min(_PEER_FRAMES, len(targets)))
    for _ in range(_ROUNDS):
        start = time.process_time()
        result = retarget(clip, character)
        rates.append(len(targets) / (time.process_time() - start))
        for early, found in peer_rates.items():
            start = time.process_time()
            peer = _mink_loop(rig, targets, objective, first_configuration(rig, targets)[:1], some, early)
            found.append((some.stop - some.start) / (time.process_time() - start))
    card = make_quality_report(result.motion, character, result.targets)
    return {
        "character": character.name,
        "clip": clip.name,
        "frames": len(targets),
        "fps": round(source.fps, 3),
        "frames_per_s": round(median(rates)),
        "mink_frames_per_s": round(median(peer_rates[False])),
        "times_mink": round(median(r / p for r, p in zip(rates, peer_rates[False], strict=True)), 1),
        "mink_early_stop_frames_per_s": round(median(peer_rates[True])),
        "times_mink_early_stop": round(median(r / p for r, p in zip(rates, peer_rates[True], strict=True)), 1),
        "keypoint_error_cm": card.to_json()["keypoint_error_cm"],
        "mink_keypoint_error_cm": round(100 * _error(rig, tree, targets.cut(0, some.stop - 1), peer), 2),
    }


def _another_body(character: Character) -> Clip:
    """Return repeated cycles of an installed clip, on a skeleton with the same names that is 7 % larger."""
    here = [info.name for info in list_clips() if info.character == character.name and info.available]
    name = next((name for name in (*_PREFERRED, *here) if name in here), None)
    if name is None:
        raise InputError(f"no clip of the {character.name} is on this machine: give one with --clip FILE")
    clip = character_motion_as_skeleton(load_clip(name), character)
    skeleton = replace(clip.skeleton, offsets=clip.skeleton.offsets * _TALLER)
    cycles = -(-_FRAMES // (clip.num_frames - 1))
    way = (clip.pos[-1, 0] - clip.pos[0, 0]) * torch.tensor([1.0, 1.0, 0.0])
    pos = torch.cat([clip.pos[:-1]] * cycles)
    pos[:, 0] += torch.arange(cycles).repeat_interleave(clip.num_frames - 1)[:, None] * way
    times = torch.arange(len(pos), dtype=torch.float64) / clip.fps
    return replace(clip, skeleton=skeleton, times=times, pos=pos * _TALLER, quat=torch.cat([clip.quat[:-1]] * cycles))


def _mink_loop(
    rig: RetargetRig, targets: Targets, objective: IkObjective, start: Configuration, frames: slice, early: bool
) -> Configuration:
    """Solve frame by frame, each from the previous solution; ``early`` stops if a step gains less than a millimetre."""
    import mink

    model = rig.character.mj_model(visual=False)
    configuration = mink.Configuration(model)
    costs = dict(zip(objective.turned.tolist(), objective.turn_weight.tolist(), strict=True))
    tasks = {}
    for k, role in enumerate(rig.roles):
        body = int(rig.body[k])
        if role in targets.pos and body not in tasks and not rig.at[k].any():
            name = rig.character.bodies[body].name
            tasks[body] = role, mink.FrameTask(name, "body", position_cost=1.0, orientation_cost=costs.get(body, 0.0))
    limits = [mink.ConfigurationLimit(model)]
    configuration.update(_qpos(rig.character, model, start))
    found = []
    for t in range(frames.start, frames.stop):
        for body, (role, task) in tasks.items():
            quat = targets.quat[body][t].numpy() if body in targets.quat else np.array([1.0, 0, 0, 0])
            task.set_target(mink.SE3(np.concatenate((quat, targets.pos[role][t].numpy()))))
        before = np.inf
        for _ in range(_STEPS):
            velocity = mink.solve_ik(
                configuration, [task for _, task in tasks.values()], 1.0, "daqp", damping=_DAMPING, limits=limits
            )
            configuration.integrate_inplace(velocity, 1.0)
            errors = [np.linalg.norm(task.compute_error(configuration)[:3]) for _, task in tasks.values()]
            error = float(np.linalg.norm(errors))
            if max(errors) < _NEAR or (early and before - error < _LEAST_GAIN):
                break
            before = error
        found.append(configuration.q.copy())
    return _configuration(rig.character, model, np.stack(found))


def _qpos(character: Character, model: mujoco.MjModel, configuration: Configuration) -> np.ndarray[Any, Any]:
    """Convert the first frame's configuration to MuJoCo's qpos."""
    qpos = model.qpos0.copy()
    qpos[:3], qpos[3:7] = configuration.root_pos[0].numpy(), configuration.root_quat[0].numpy()
    for j, joint in enumerate(character.joints):
        address, quat = int(model.joint(joint.name).qposadr[0]), configuration.joint_quat[0, j].numpy()
        if joint.kind == "ball":
            qpos[address : address + 4] = quat
        else:
            qpos[address] = 2 * np.arctan2(quat[1:] @ np.array(joint.axis), quat[0])
    return qpos


def _configuration(character: Character, model: mujoco.MjModel, qpos: np.ndarray[Any, Any]) -> Configuration:
    q = torch.from_numpy(qpos)
    quats = []
    for joint in character.joints:
        address = int(model.joint(joint.name).qposadr[0])
        if joint.kind == "ball":
            quats.append(q[:, address : address + 4])
        else:
            half = q[:, address : address + 1] / 2
            quats.append(torch.cat((half.cos(), half.sin() * q.new_tensor(joint.axis)), 1))
    return Configuration(q[:, :3], q[:, 3:7], torch.stack(quats, 1))


def _error(rig: RetargetRig, tree: KinematicTree, targets: Targets, configuration: Configuration) -> float:
    """Return the mean distance of all key bodies from their targets [m]."""
    points = tree.points(tree.forward(configuration), rig.body, rig.at)
    errors = [(points[:, k] - targets.pos[r]).norm(dim=-1) for k, r in enumerate(rig.roles) if r in targets.pos]
    return float(torch.stack(errors).mean())
