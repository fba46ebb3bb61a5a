import re
import shutil
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from characters import character_names, load_character
from mimic.core.errors import ConfigError, InputError
from mimic.core.strict_config import read_yaml
from tests.states import CHARACTERS


def test_the_characters_that_ship_are_found_by_name():
    assert character_names() == ["dog", "humanoid"]
    with pytest.raises(InputError, match=r"no character 'humanoit'; did you mean 'humanoid'\? valid: dog, humanoid"):
        load_character("humanoit")


@pytest.mark.parametrize(("name", "dof", "mass", "joints"), [("humanoid", 34, 45.0, 12), ("dog", 64, 29.25, 22)])
def test_sizes(name, dof, mass, joints):
    character = load_character(name)
    assert (character.dof, character.num_actuated, len(character.joints)) == (dof, dof - 6, joints)
    assert character.mass == pytest.approx(mass, abs=1e-9)
    assert character.simulation.control_dt == pytest.approx(1 / 30)


@pytest.mark.parametrize("name", CHARACTERS)
def test_bodies_and_joints_are_mujocos_and_joint_slices_tile_the_velocities(name):
    character, model = load_character(name), load_character(name).mj_model()
    assert [body.name for body in character.bodies] == [model.body(b).name for b in range(1, model.nbody)]
    assert [joint.name for joint in character.joints] == [model.joint(j).name for j in range(1, model.njnt)]
    assert [d for joint in character.joints for d in range(joint.dof.start, joint.dof.stop)] == list(
        range(model.nv - 6)
    )
    for joint in character.joints:
        assert model.joint(joint.name).dofadr[0] == 6 + joint.dof.start
    for b, body in enumerate(character.bodies):
        assert character.body_index(body.name) == b
        assert body.parent < b
        if body.joint is not None:
            assert character.joints[body.joint].name == body.name


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_yaml_reaches_the_joints(name):
    character = load_character(name)
    written = read_yaml(character.model_path.with_suffix(".yaml"))["joints"]
    for joint in character.joints:
        found = {key: getattr(joint, key) for key in ("kp", "kd", "torque_limit", "weight")}
        assert found == pytest.approx(written[joint.name])


@pytest.mark.parametrize("name", CHARACTERS)
def test_every_actuated_axis_has_a_motor_of_its_own_the_servos_damping_and_an_armature(name):
    character, model = load_character(name), load_character(name).mj_model()
    assert model.nu == character.num_actuated
    data = mujoco.MjData(model)
    data.ctrl[:] = np.arange(1.0, model.nu + 1)
    mujoco.mj_forward(model, data)
    np.testing.assert_allclose(data.qfrc_actuator, [0] * 6 + list(data.ctrl))
    kd = [joint.kd for joint in character.joints for _ in range(joint.dof.start, joint.dof.stop)]
    np.testing.assert_allclose(model.dof_damping, [0] * 6 + kd)
    np.testing.assert_allclose(model.dof_armature, [0] * 6 + [damping / 120 for damping in kd])


@pytest.mark.parametrize("name", CHARACTERS)
def test_leaving_the_looks_out_changes_no_physics(name):
    whole, bare = load_character(name).mj_model(), load_character(name).mj_model(visual=False)
    assert bare.ngeom == len(load_character(name).bodies) + 1 < whole.ngeom
    for field in (
        "body_mass",
        "body_inertia",
        "body_ipos",
        "body_iquat",
        "dof_damping",
        "dof_armature",
        "jnt_range",
        "qpos0",
    ):
        np.testing.assert_allclose(getattr(whole, field), getattr(bare, field), atol=1e-12, err_msg=field)


def test_the_simulation_settings_reach_the_model():
    character = load_character("dog")
    settings = replace(character.simulation, sim_dt=0.002, solver_iterations=7, armature_s=0.003)
    model = replace(character, config=replace(character.config, simulation=settings)).mj_model()
    assert (model.opt.timestep, model.opt.iterations) == (0.002, 7)
    np.testing.assert_allclose(model.dof_armature, 0.003 * model.dof_damping)
    assert model.opt.integrator == mujoco.mjtIntegrator.mjINT_EULER
    for bit in (mujoco.mjtDisableBit.mjDSBL_AUTORESET, mujoco.mjtDisableBit.mjDSBL_EULERDAMP):
        assert model.opt.disableflags & bit


@pytest.mark.parametrize("touches", [False, True])
def test_self_collision_is_a_setting(touches):
    character = load_character("humanoid")
    settings = replace(character.simulation, self_collision=touches)
    model = replace(character, config=replace(character.config, simulation=settings)).mj_model()
    data = mujoco.MjData(model)
    data.qpos[2] = 3.0
    # both legs swung to the other side go through each other
    for side, sign in (("right", 1.0), ("left", -1.0)):
        data.joint(f"{side}_hip").qpos[:] = [np.cos(0.2), sign * np.sin(0.2), 0, 0]
    mujoco.mj_forward(model, data)
    assert (data.ncon > 0) == touches


def test_unknown_bodies_and_joints_name_the_nearest():
    character = load_character("humanoid")
    with pytest.raises(InputError, match="humanoid has no body 'right_anke'; did you mean 'right_ankle'"):
        character.body_index("right_anke")
    with pytest.raises(InputError, match="no moving joint 'right_wrist'"):
        character.joint_index("right_wrist")


@pytest.fixture
def copy(tmp_path):
    """A humanoid of the user's own, its YAML changed by one substitution."""
    source = load_character("humanoid").model_path.parent

    def make(pattern: str, by: str, file: str = "humanoid.yaml") -> str:
        folder = tmp_path / "mine"
        shutil.copytree(source, folder)
        shutil.copy(source.parent / "scene.xml", folder)
        model = folder / "humanoid.xml"
        model.write_text(model.read_text().replace("../scene.xml", "scene.xml"))
        text, count = re.subn(pattern, by, (folder / file).read_text(), count=1)
        assert count == 1
        (folder / file).write_text(text)
        return str(folder / "humanoid.yaml")

    return make


def test_a_character_of_the_users_own_is_loaded_by_path(copy):
    assert load_character(copy("kp: 1000,", "kp: 1001,")).joints[0].kp == 1001.0


@pytest.mark.parametrize(
    ("pattern", "by", "file", "part"),
    [
        (
            "mass_kg: 45.0",
            "mass_kg: 46.0",
            "humanoid.yaml",
            "mass_kg is 46.0, but the MJCF's bodies weigh 45.000000 kg",
        ),
        ("dof: 34", "dof: 35", "humanoid.yaml", "dof is 35, but the MJCF has 34 degrees of freedom"),
        ("  chest: ", "  chst: ", "humanoid.yaml", "must be in the YAML and the MJCF; only one has chest, chst"),
        ("left_wrist", "left_wist", "humanoid.yaml", "no body 'left_wist'; did you mean 'left_wrist'"),
        (
            "model: humanoid.xml",
            "model: ../scene.xml",
            "humanoid.yaml",
            "must be the name of a file in the same folder",
        ),
        ("model: humanoid.xml", "model: none.xml", "humanoid.yaml", "must be the name of a file in the same folder"),
        (
            "armature_s: 0.0083",
            "armature_s: 0.0013",
            "humanoid.yaml",
            "must be at least sim_dt, 0.00833333, or the servo",
        ),
        ("kp: 1000", "kp: -1000", "humanoid.yaml", "kp -1000 and torque_limit 200 must be above 0"),
        ("sim_dt: 0.0", "sim_dt: -0.0", "humanoid.yaml", "sim_dt -0.00833333 must be above 0"),
        ("substeps: 4", "substeps: 0", "humanoid.yaml", "substeps 0 and solver_iterations 10 at least 1"),
        ("</worldbody>", "</worldbdy>", "humanoid.xml", "humanoid.xml"),
        ('mass="', 'mass="heavy', "humanoid.xml", "humanoid.xml"),
    ],
)
def test_files_that_disagree_are_refused_in_one_line(copy, pattern, by, file, part):
    path = copy(pattern, by, file)
    with pytest.raises(ConfigError) as caught:
        load_character(path)
    assert part in str(caught.value) and "\n" not in str(caught.value)
    assert str(Path(path).parent) in str(caught.value)
