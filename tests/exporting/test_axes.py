"""Axes of the engines: there and back is the identity, turns stay turns, and right stays right."""

import numpy as np
import pytest
import torch

from characters import CharacterState, Kinematics, load_character
from mimic.core.rotations import quat_from_rotvec, quat_rotate
from mimic.exporting.axes import FRAMES, conventions
from mimic.exporting.skin import build_poses
from tests.exporting import bundles
from tests.kinematic_engine import gentle_motion
from tests.states import random_quat

ENGINES = pytest.mark.parametrize("frame", FRAMES.values(), ids=lambda frame: frame.name)


@ENGINES
def test_converting_to_an_engine_and_back_is_the_identity(frame):
    random = np.random.default_rng(0)
    points, quats = random.normal(size=(100, 3)) * 10, random_quat(100).double().numpy()
    np.testing.assert_allclose(frame.position_back(frame.position(points)), points, atol=1e-6)
    np.testing.assert_allclose(frame.angular_back(frame.angular(points)), points, atol=1e-6)
    np.testing.assert_allclose(frame.rotation_back(frame.rotation(quats)), quats, atol=1e-6)


@ENGINES
def test_the_written_matrices_are_the_functions(frame):
    written = conventions()["engines"][frame.name]
    points = np.random.default_rng(1).normal(size=(20, 3))
    np.testing.assert_allclose(points @ np.array(written["position_matrix"]).T, frame.position(points))
    np.testing.assert_allclose(points @ np.array(written["angular_matrix"]).T, frame.angular(points))
    both = np.array(written["position_matrix_back"]) @ np.array(written["position_matrix"])
    np.testing.assert_allclose(both, np.eye(3), atol=1e-6)
    both = np.array(written["angular_matrix_back"]) @ np.array(written["angular_matrix"])
    np.testing.assert_allclose(both, np.eye(3), atol=1e-6)


@ENGINES
def test_a_turned_vector_is_turned_alike_in_the_engine(frame):
    """The quaternion product and the rotation formula are the same in left-handed axes; only the numbers differ."""
    quat, vector = random_quat(50).double(), torch.randn(50, 3, dtype=torch.float64)
    inside = frame.rotation(quat.numpy())
    assert frame.quaternion == "xyzw"
    wxyz = torch.from_numpy(np.roll(inside, 1, -1))
    direction = torch.from_numpy(frame.position(vector.numpy()))
    expected = frame.position(quat_rotate(quat, vector).numpy())
    np.testing.assert_allclose(quat_rotate(wxyz, direction).numpy(), expected, atol=1e-9)


@ENGINES
def test_each_engine_has_up_forward_and_right_where_it_states_them(frame):
    unit = frame.units_per_metre
    np.testing.assert_allclose(frame.position(np.array([0.0, 0.0, 1.0])), unit * frame.direction(frame.up))
    np.testing.assert_allclose(frame.position(np.array([1.0, 0.0, 0.0])), unit * frame.direction(frame.forward))
    np.testing.assert_allclose(frame.position(np.array([0.0, -1.0, 0.0])), unit * frame.direction(frame.right))
    right_of = np.cross(frame.direction(frame.up), frame.direction(frame.forward))
    hand = 1.0 if frame.handedness == "left" else -1.0
    np.testing.assert_allclose(hand * right_of, frame.direction(frame.right))


def test_the_engines_are_as_their_manuals_say():
    hands = {name: (frame.handedness, frame.up, frame.units_per_metre) for name, frame in FRAMES.items()}
    assert hands == {
        "unity": ("left", "+Y", 1.0),
        "unreal": ("left", "+Z", 100.0),
        "godot": ("right", "+Y", 1.0),
        "gltf": ("right", "+Y", 1.0),
    }


@ENGINES
def test_a_wave_of_the_right_arm_is_on_the_right(frame):
    """Through the joint rotations, as an engine would do it: its own kinematics on converted numbers."""
    human = load_character("humanoid")
    rest = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64).repeat(1, len(human.joints), 1)
    rest[0, human.joint_index("right_shoulder")] = quat_from_rotvec(torch.tensor([-2.2, 0.0, 0.0], dtype=torch.float64))
    zero = torch.zeros(1, 3, dtype=torch.float64)
    state = CharacterState(zero, rest[:, 0], zero, zero, rest, torch.zeros(1, human.num_actuated).double())
    expected = Kinematics(human, dtype=torch.float64).forward(state).pos_w[0].numpy()
    places: list[np.ndarray] = []
    turns: list[torch.Tensor] = []
    for body in human.bodies:
        local = rest[0, body.joint] if body.joint is not None else torch.tensor([1.0, 0, 0, 0]).double()
        inside = torch.from_numpy(np.roll(frame.rotation(local.numpy()), 1, -1))
        offset = torch.from_numpy(frame.position(np.array(body.offset)))
        if body.parent < 0:
            places.append(np.zeros(3))
            turns.append(inside)
            continue
        places.append(places[body.parent] + quat_rotate(turns[body.parent], offset).numpy())
        from mimic.core.rotations import quat_mul

        turns.append(quat_mul(turns[body.parent], inside))
    np.testing.assert_allclose(np.array(places), frame.position(expected), atol=1e-6)
    hand = places[human.body_index("right_wrist")] - places[human.body_index("right_shoulder")]
    other = places[human.body_index("left_wrist")] - places[human.body_index("chest")]
    right, up = frame.direction(frame.right), frame.direction(frame.up)
    assert hand @ right > 0.2 * frame.units_per_metre and hand @ up > 0.2 * frame.units_per_metre
    assert other @ right < 0


def test_the_bundle_holds_the_conventions(files):
    assert bundles.part(files, "conventions.json")["engines"] == conventions()["engines"]


def test_the_gltf_frame_is_the_one_that_the_glb_is_written_in():
    motion = gentle_motion("humanoid", turn=0.8)
    poses = build_poses(motion, load_character("humanoid"))
    np.testing.assert_allclose(poses.root, FRAMES["gltf"].position(motion.root_pos_w.numpy()), atol=1e-9)
    ours = FRAMES["gltf"].rotation(motion.root_quat_w.numpy())
    assert np.abs((poses.rotations[:, 0] * ours).sum(-1)).min() > 1 - 1e-9
