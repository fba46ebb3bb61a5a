"""The MJCF and YAML of each character against DeepMimic's tables, kept beside this file in y-up axes."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from characters.character import load_character
from tests.characters.figures import (
    BALL,
    CHARACTERS,
    HINGE,
    Z_UP_FROM_Y_UP,
    Array,
    Row,
    collision_corners,
    model,
    posed,
    random_qpos,
    random_rotation,
    shape_matrices,
    table,
    wxyz,
    zero_pose,
)


@pytest.mark.parametrize(("name", "dof", "mass"), [("humanoid", 34, 45.0), ("dog", 64, 29.25)])
def test_degrees_of_freedom_and_mass(name: str, dof: int, mass: float) -> None:
    assert model(name).nv == load_character(name).dof == dof
    assert model(name).body_mass.sum() == pytest.approx(mass, abs=1e-12)
    assert sum(row.mass for row in table(name)) == pytest.approx(mass, abs=1e-12)


@pytest.mark.parametrize("name", CHARACTERS)
def test_names_joints_limits_and_masses_are_the_tables(name: str) -> None:
    m = model(name)
    assert {m.body(b).name for b in range(1, m.nbody)} == {row.name for row in table(name)}
    assert m.njnt == sum(row.joint != "fixed" for row in table(name))
    for row in table(name):
        body = m.body(row.name)
        assert row.parent in ("-", m.body(body.parentid[0]).name)
        assert body.mass[0] == row.mass
        if row.joint == "fixed":
            assert body.jntnum[0] == 0
            continue
        joint = m.joint(row.name)
        assert joint.bodyid[0] == body.id
        assert joint.type[0] == {"free": mujoco.mjtJoint.mjJNT_FREE, "ball": BALL, "hinge": HINGE}[row.joint]
        assert bool(m.jnt_limited[joint.id]) == (row.joint == "hinge")
        if row.limits is not None:
            np.testing.assert_allclose(joint.range, row.limits, atol=0)
            np.testing.assert_allclose(joint.axis, Z_UP_FROM_Y_UP @ [0, 0, 1], atol=0)
    assert not m.dof_armature.any() and not m.dof_damping.any() and not m.dof_frictionloss.any()


@pytest.mark.parametrize("name", CHARACTERS)
def test_yaml_is_the_tables(name: str) -> None:
    character, rows = load_character(name), {row.name: row for row in table(name)}
    servos = {joint.name: (joint.kp, joint.kd, joint.torque_limit) for joint in character.joints}
    assert servos == {row.name: row.servo for row in rows.values() if row.servo is not None}
    for joint in character.joints:
        assert joint.weight == rows[joint.name].weight
    assert character.config.root_weight == rows["root"].weight
    assert list(character.config.deepmimic_order) == [row.name for row in table(name)][1:]
    leaves = set(rows) - {row.parent for row in rows.values()}
    assert set(character.end_effectors) == {leaf for leaf in leaves if leaf.startswith(("left", "right"))}


def random_pose(name: str, rng: np.random.Generator) -> tuple[Array, dict[str, Array], dict[str, Rotation]]:
    """A pose as qpos (z up), and each body's origin and rotation from a walk of the tables (y up)."""
    m = model(name)
    qpos, origin, turned = np.zeros(m.nq), {}, {}
    for row in table(name):
        local, angle = random_rotation(rng), rng.uniform(-3, 3)
        if row.joint == "free":
            origin[row.name], turned[row.name] = rng.uniform(-3, 3, size=3), local
            qpos[:3] = Z_UP_FROM_Y_UP @ origin[row.name]
        else:
            if row.joint != "ball":
                local = Rotation.from_rotvec([0, 0, angle if row.joint == "hinge" else 0])
            origin[row.name] = origin[row.parent] + turned[row.parent].apply(row.attach)
            turned[row.name] = turned[row.parent] * local
        if row.joint == "hinge":
            qpos[m.joint(row.name).qposadr[0]] = angle
        elif row.joint != "fixed":
            w, x, y, z = wxyz(local)
            start = m.joint(row.name).qposadr[0] + (3 if row.joint == "free" else 0)
            qpos[start : start + 4] = w, x, -z, y
    return qpos, origin, turned


@pytest.mark.parametrize("name", CHARACTERS)
def test_forward_kinematics_equal_the_tables_on_random_poses(name: str) -> None:
    rng, m = np.random.default_rng(7), model(name)
    for _ in range(20):
        qpos, origin, turned = random_pose(name, rng)
        data = posed(name, qpos)
        for row in table(name):
            place = Z_UP_FROM_Y_UP @ origin[row.name]
            centre = place + Z_UP_FROM_Y_UP @ turned[row.name].apply(row.centre)
            np.testing.assert_allclose(data.body(row.name).xpos, place, atol=1e-12)
            np.testing.assert_allclose(data.geom(row.name).xpos, centre, atol=1e-12)
            np.testing.assert_allclose(data.body(row.name).xipos, centre, atol=1e-12)
            axes = turned[row.name] * Rotation.from_rotvec([0, 0, row.turn])
            shape = shape_matrices(name, data, [m.geom(row.name).id])[0]
            _check_shape(row, Z_UP_FROM_Y_UP @ axes.as_matrix(), shape)


def _check_shape(row: Row, axes: Array, measured: Array) -> None:
    r = row.size[0]
    if row.shape == "box":
        half: tuple[float, ...] = tuple(v / 2 for v in row.size)
    else:
        half = (r, r, r) if row.shape == "sphere" else (r, row.size[1] / 2, r)
    # the tables give the quarter turn to four decimals
    tolerance = 1e-6 if row.turn else 1e-12
    np.testing.assert_allclose(measured, axes @ np.diag(np.square(half)) @ axes.T, atol=tolerance)


@pytest.mark.parametrize("name", CHARACTERS)
def test_inertia_is_that_of_the_uniform_solid(name: str) -> None:
    m = model(name)
    for row in table(name):
        if row.shape == "sphere":
            moments = [0.4 * row.mass * row.size[0] ** 2] * 3
        elif row.shape == "box":
            a, b, c = np.square(row.size)
            moments = [row.mass / 12 * s for s in (b + c, c + a, a + b)]
        else:
            moments = _capsule_moments(row.mass, *row.size)
        np.testing.assert_allclose(sorted(m.body(row.name).inertia), sorted(moments), rtol=1e-9)


def _capsule_moments(mass: float, r: float, length: float) -> list[float]:
    """Cylinder and two half balls, whose centres of mass lie 3/8 r beyond the cylinder's ends."""
    cylinder = mass * length / (length + 4 / 3 * r)
    caps = mass - cylinder
    along = cylinder * r**2 / 2 + caps * 0.4 * r**2
    about_own_com = 0.4 * r**2 - (3 / 8 * r) ** 2
    across = cylinder * (r**2 / 4 + length**2 / 12) + caps * (about_own_com + (length / 2 + 3 / 8 * r) ** 2)
    return [along, across, across]


def test_zero_pose_of_the_humanoid() -> None:
    data = posed("humanoid", zero_pose("humanoid"))
    corners = collision_corners("humanoid", data)
    assert corners["left_ankle"][0][2] == pytest.approx(-0.8814, abs=5e-5)
    assert corners["neck"][1][2] == pytest.approx(0.7375, abs=5e-5)
    assert corners["neck"][1][2] - corners["right_ankle"][0][2] == pytest.approx(1.619, abs=5e-4)
    assert data.subtree_com[0][2] == pytest.approx(0.011, abs=5e-4)
    arm = [corners[body][1][2] for body in ("right_wrist", "right_elbow", "right_shoulder")]
    assert arm == sorted(arm)  # the arms hang


def test_zero_pose_of_the_dog() -> None:
    data = posed("dog", zero_pose("dog"))
    corners = collision_corners("dog", data)
    assert corners["left_toe"][0][2] == pytest.approx(-0.6958, abs=5e-5)
    assert corners["right_finger"][0][2] == pytest.approx(-0.6525, abs=5e-5)
    lowest = np.min([low for low, _ in corners.values()], axis=0)
    highest = np.max([high for _, high in corners.values()], axis=0)
    assert highest[2] == pytest.approx(0.07, abs=1e-9)
    assert highest[2] - lowest[2] == pytest.approx(0.766, abs=5e-4)
    assert highest[0] - lowest[0] == pytest.approx(1.335, abs=5e-4)
    np.testing.assert_allclose(data.subtree_com[0], [0.281, 0, -0.183], atol=5e-4)


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_model_starts_standing_on_the_ground(name: str) -> None:
    corners = collision_corners(name, posed(name, model(name).qpos0))
    assert min(low[2] for low, _ in corners.values()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", CHARACTERS)
def test_visual_geoms_carry_no_mass_and_touch_nothing(name: str) -> None:
    m = model(name)
    visual = m.geom_group == 1
    assert visual.sum() > m.nbody
    assert not m.geom_contype[visual].any() and not m.geom_conaffinity[visual].any()
    assert m.nmesh == 0 and set(m.geom_bodyid[visual]) == set(range(1, m.nbody))
    spec = mujoco.MjSpec.from_file(str(load_character(name).model_path))
    spec.compiler.discardvisual = True  # drops geoms that cannot collide
    bare = spec.compile()
    assert bare.ngeom == m.nbody  # a collision geom a body, and the floor
    np.testing.assert_array_equal(bare.body_mass, m.body_mass)
    np.testing.assert_array_equal(bare.body_inertia, m.body_inertia)
    np.testing.assert_array_equal(bare.body_ipos, m.body_ipos)


@pytest.mark.parametrize("name", CHARACTERS)
def test_bodies_touch_the_floor_and_not_each_other(name: str) -> None:
    rng, m, floor = np.random.default_rng(5), model(name), model(name).geom("floor").id
    for _ in range(10):
        qpos = random_qpos(name, rng)
        qpos[2] = 0.0
        contacts = posed(name, qpos).contact
        assert len(contacts.geom) > 0
        assert (contacts.geom == floor).any(axis=1).all()
        assert m.geom_conaffinity[contacts.geom.max(axis=1)].all()
        np.testing.assert_allclose(contacts.friction[:, :2], 0.81)
        assert (contacts.dim == 3).all()
