"""Puts motions onto somebody else's skinned character."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from characters import Character
from mimic.core.errors import InputError
from mimic.exporting.skinning import lowest_vertex
from mimic.exporting.their_file import TheirFile
from mocap.formats.gltf import read_rest
from mocap.motion import Motion
from retarget.onto_rig import Transfer, bone_roles, transfer
from retarget.retarget_rig import RetargetRig


@dataclass(frozen=True)
class Worn:
    """Somebody else's character with added animations: the GLB's bytes, and the transfer of each motion."""

    glb: bytes
    transfers: tuple[Transfer, ...]
    bones: dict[str, str]


def onto(path: Path, character: Character, motions: Sequence[Motion], bone_map: dict[str, str] | None = None) -> Worn:
    """Add motions of our character as animations to the GLB of somebody else's.

    ``bone_map`` gives names of their bones by role, where the names in the file do not tell.

    Raises:
        InputError: the file is no GLB, its bones cannot be told, or our character lacks key bodies.
    """
    file = TheirFile(path)
    nodes, skins = read_rest(file.data, str(path), path.parent)
    joints = max(skins, key=len) if skins else list(range(len(nodes)))
    roles, spine = bone_roles(nodes, joints, bone_map)
    sole = lowest_vertex(file, nodes)
    rig = RetargetRig(character)
    if rig.digitigrade:
        raise InputError("--onto puts motions onto people only; hind legs of four-legged rigs are not placed right")
    transfers = []
    for motion in motions:
        done = transfer(motion, rig, nodes, roles, spine, sole)
        tracks = {(n, "rotation"): q[:, [1, 2, 3, 0]].numpy() for n, q in done.rotations.items()}
        tracks |= {(n, "translation"): p.numpy() for n, p in done.translations.items()}
        extras: dict[str, object] = {"fps": motion.fps, "frames": motion.num_frames, "loop": motion.loop}
        if motion.license:
            extras["licence"] = motion.license
        file.add_animation(motion.name, motion.times.numpy(), tracks, extras)
        transfers.append(done)
    return Worn(file.to_bytes(), tuple(transfers), {role: nodes[n].name for role, n in roles.items()})
