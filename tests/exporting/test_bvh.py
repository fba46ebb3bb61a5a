"""The BVH read back by bvhio, which did not write it."""

import bvhio
import numpy as np
import pytest

from characters import load_character
from mimic.exporting.bvh import character_bvh
from mimic.exporting.skin import build_poses
from mocap.editing import resample
from tests.exporting.reading import CHARACTERS, body_positions
from tests.motion_samples import random_motion


@pytest.mark.parametrize("name", CHARACTERS)
def test_another_reader_finds_the_same_angles_frames_and_places(name, tmp_path):
    character = load_character(name)
    motion = resample(random_motion(name, frames=10), character, 50.0)
    path = tmp_path / "x.bvh"
    path.write_bytes(character_bvh(motion, character))
    read = bvhio.readAsBvh(str(path))
    assert read.FrameCount == motion.num_frames
    assert 1 / read.FrameTime == pytest.approx(50.0, rel=1e-6)
    joints = {joint.Name: joint for joint, *_ in read.Root.layout()}
    bodies = [body.name for body in character.bodies]
    assert set(joints) - {"End Site"} >= set(bodies)
    poses = build_poses(motion, character)
    for index, body in enumerate(bodies):
        found = np.array([[q.x, q.y, q.z, q.w] for q in (key.Rotation for key in joints[body].Keyframes)])
        cosine = np.abs((found * poses.rotations[:, index]).sum(-1)).clip(max=1.0)
        assert np.degrees(2 * np.arccos(cosine)).max() < 0.1
    tree = {joint.Name: joint for joint, *_ in bvhio.convertBvhToHierarchy(read.Root).layout()}
    for frame in (0, motion.num_frames - 1):
        tree["root"].loadPose(frame, recursive=True)
        places = np.array([[*tree[body].PositionWorld] for body in bodies]) / 100
        assert np.abs(places - body_positions(motion)[frame]).max() < 1e-3


def test_every_limb_ends_in_an_end_site_at_the_end_of_the_flesh():
    lines = (
        character_bvh(random_motion("humanoid"), load_character("humanoid")).decode().split("MOTION")[0].splitlines()
    )
    assert sum("End Site" in line for line in lines) == 5  # head, hands, feet
    head = next(i for i, line in enumerate(lines) if "JOINT neck" in line)
    end = next(line for line in lines[head + 4 :] if "OFFSET" in line)
    assert [float(x) for x in end.split()[1:]] == pytest.approx([0, 27.75, 0])
