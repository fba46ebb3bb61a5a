"""Write a motion as BVH: centimetres, y up, facing z; at zero pose every bone's frame is parallel to the world's."""

from dataclasses import replace

import numpy as np
import torch

from characters import Character
from mocap.formats.bvh import write_bvh
from mocap.motion import Motion
from mocap.skeleton import character_motion_as_skeleton


def character_bvh(motion: Motion, character: Character) -> bytes:
    """Return the motion as a BVH file. Each limb's End Site is at the far end of the last geom. Raises ClipError."""
    moving = character_motion_as_skeleton(motion, character)
    parents = {body.parent for body in character.bodies}
    leaves = [index for index in range(len(character.bodies)) if index not in parents]
    tips = torch.tensor(np.array([_tip(character, leaf) for leaf in leaves]), dtype=torch.float64)
    skeleton = replace(moving.skeleton, end_site_parents=tuple(leaves), end_site_offsets=tips)
    return write_bvh(replace(moving, skeleton=skeleton))


def _tip(character: Character, index: int) -> np.ndarray:
    """Return the far end (3,) [m] of a body's collision geom, in the body's frame."""
    body = character.bodies[index]
    centre = np.array(body.geom.pos)
    along = centre if np.linalg.norm(centre) > 1e-3 else np.array(body.offset)
    reach = max(body.geom.size) if body.geom.shape == "box" else sum(body.geom.size)
    return centre + along / np.linalg.norm(along) * reach
