"""What exported files are compared with, and how node is asked to read them."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from characters import Kinematics, load_character
from mimic.core.rotations import quat_rotate
from mimic.rendering.meshes import mesh_of
from mimic.rendering.scene import DrawnCharacter, Pose, visual_geoms
from mimic.tracking.reference import sample_motion
from mocap.motion import Motion

CHARACTERS = ("humanoid", "dog")


def node(script: str, *words: object) -> str:
    """What a script of this folder prints."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    path = Path(__file__).with_name(script)
    done = subprocess.run(["node", str(path), *map(str, words)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def drawn_vertices(motion: Motion, frame: int) -> np.ndarray:
    """(V, 3) [m] in glTF's axes: every vertex of the meshes that the videos would show of a frame."""
    character = load_character(motion.character)
    state = sample_motion(motion, character, motion.times[frame : frame + 1])
    bodies = Kinematics(character, dtype=torch.float64).forward(state)
    figure = DrawnCharacter(visual_geoms(character.mj_model(), [body.name for body in character.bodies]))
    found = []
    for geom, pos, quat in zip(figure.geoms, *figure.place(Pose.of(bodies)), strict=True):
        found.append(quat_rotate(quat, torch.from_numpy(mesh_of(geom).vertices)) + pos)
    return torch.cat(found).numpy()[:, [1, 2, 0]]


def body_positions(motion: Motion) -> np.ndarray:
    """(T, B, 3) [m] in glTF's axes, by our own kinematics."""
    character = load_character(motion.character)
    state = sample_motion(motion, character, motion.times)
    return Kinematics(character, dtype=torch.float64).forward(state).pos_w.numpy()[..., [1, 2, 0]]
