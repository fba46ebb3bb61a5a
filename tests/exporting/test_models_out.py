"""The character in other formats is the same character."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from characters import load_character
from mimic.exporting.mjcf import character_mjcf
from mimic.exporting.urdf import character_urdf
from tests.exporting import bundles

CHARACTERS = pytest.mark.parametrize("name", ["humanoid", "dog"])


@CHARACTERS
def test_the_mjcf_compiles_to_the_very_model_that_is_simulated(name):
    character = load_character(name)
    found = mujoco.MjModel.from_xml_string(character_mjcf(character).decode())
    expected = character.mj_model()
    compared = 0
    for model, other in ((expected, found), (expected.opt, found.opt)):
        for field in dir(model):
            value = getattr(model, field)
            if not field.startswith("_") and isinstance(value, (np.ndarray, int, float)):
                assert np.array_equal(value, getattr(other, field)), field
                compared += 1
    assert compared > 300


def test_the_mjcf_keeps_self_collision(tmp_path):
    source = load_character("humanoid").model_path.parent
    for path in (source / "humanoid.xml", source / "humanoid.yaml", source.parent / "scene.xml"):
        text = path.read_text().replace("self_collision: false", "self_collision: true")
        (tmp_path / path.name).write_text(text.replace("../scene.xml", "scene.xml"))
    character = load_character(str(tmp_path / "humanoid.yaml"))
    found = mujoco.MjModel.from_xml_string(character_mjcf(character).decode())
    assert np.array_equal(found.geom_contype, character.mj_model().geom_contype)
    assert found.geom_contype.sum() > 10


@CHARACTERS
def test_the_urdf_stands_and_weighs_the_same_in_another_engine(name, tmp_path):
    """pybullet reads it; every link is where MuJoCo has it, at a random pose, and the inertias are MuJoCo's."""
    bullet = pytest.importorskip("pybullet")
    character = load_character(name)
    (tmp_path / "c.urdf").write_bytes(character_urdf(character))
    client = bullet.connect(bullet.DIRECT)
    try:
        flags = bullet.URDF_USE_INERTIA_FROM_FILE
        robot = bullet.loadURDF(str(tmp_path / "c.urdf"), flags=flags, physicsClientId=client)
        # pybullet places a base by its centre of mass
        bullet.resetBasePositionAndOrientation(robot, character.bodies[0].com, (0, 0, 0, 1))
        joints = {
            info[1].decode(): info
            for info in (bullet.getJointInfo(robot, j) for j in range(bullet.getNumJoints(robot)))
        }
        model = character.mj_model()
        data = mujoco.MjData(model)
        data.qpos[:3] = 0.0
        random = np.random.default_rng(3)
        for joint in character.joints:
            address = model.joint(joint.name).qposadr[0]
            if joint.kind == "hinge":
                data.qpos[address] = angle = random.uniform(*(joint.range or (-1, 1)))
                bullet.resetJointState(robot, joints[joint.name][0], angle)
                assert joints[joint.name][10] == joint.torque_limit
            else:
                turn = Rotation.from_rotvec(random.normal(size=3) * 0.6)
                data.qpos[address : address + 4] = turn.as_quat(scalar_first=True)
                for axis, angle in zip("xyz", turn.as_euler("XYZ"), strict=True):
                    bullet.resetJointState(robot, joints[f"{joint.name}_{axis}"][0], angle)
        mujoco.mj_kinematics(model, data)
        total = bullet.getDynamicsInfo(robot, -1)[0]
        links = {info[12].decode(): info[0] for info in joints.values()}
        for name_, link in links.items():
            total += bullet.getDynamicsInfo(robot, link)[0]
            if name_ in [body.name for body in character.bodies]:
                place = bullet.getLinkState(robot, link, computeForwardKinematics=True)[4]
                np.testing.assert_allclose(place, data.body(name_).xpos, atol=1e-5)
                inertia = bullet.getDynamicsInfo(robot, link)[2]
                np.testing.assert_allclose(sorted(inertia), sorted(model.body(name_).inertia), rtol=1e-4)
        assert total == pytest.approx(character.mass, abs=1e-3)
    finally:
        bullet.disconnect(client)


def test_the_glb_is_in_the_bundle_with_the_clip_as_its_animation():
    data = bundles.cartwheel()["character.glb"]
    assert data[:4] == b"glTF" and b'"cartwheel"' in data
