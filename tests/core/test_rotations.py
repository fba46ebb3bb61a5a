import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mimic.core import rotations
from mimic.core.rotations import (
    Yaw,
    cross,
    heading_angle,
    quat_angle,
    quat_conj,
    quat_from_axis_angle,
    quat_from_rotvec,
    quat_from_yaw,
    quat_hemisphere,
    quat_mul,
    quat_normalize,
    quat_rotate,
    quat_rotate_inverse,
    quat_slerp,
    quat_to_rot6d,
    quat_to_rotvec,
)
from tests.states import normal, random_quat

DTYPES = (torch.float32, torch.float64)
TOLERANCE = {torch.float32: 2e-6, torch.float64: 1e-14}
IDENTITY = torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64)


@pytest.fixture(autouse=True, params=["cpu", "gpu"])
def formulas(request, monkeypatch):
    """Those for a CPU, and those for a GPU."""
    monkeypatch.setattr(rotations, "_few_operations", lambda v: request.param == "gpu")


def scipy_rotation(q):
    return Rotation.from_quat(q.reshape(-1, 4).numpy(), scalar_first=True)


def assert_close(a, b, dtype, factor=1.0):
    torch.testing.assert_close(a, torch.as_tensor(b, dtype=dtype), atol=factor * TOLERANCE[dtype], rtol=0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_rotations_obey_the_laws_of_a_group(dtype):
    a, b, c = (random_quat(50, 3, seed=s, dtype=dtype) for s in range(3))
    assert_close(quat_mul(quat_mul(a, b), c), quat_mul(a, quat_mul(b, c)), dtype)
    assert_close(quat_mul(a, quat_conj(a)), IDENTITY.expand(50, 3, 4), dtype)
    assert_close(quat_mul(IDENTITY.to(dtype).expand_as(a), a), a, dtype)
    assert_close(quat_conj(quat_mul(a, b)), quat_mul(quat_conj(b), quat_conj(a)), dtype)
    assert_close(quat_mul(a, b).norm(dim=-1), torch.ones(50, 3), dtype)
    assert quat_mul(a, b).dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES)
def test_rotating_a_vector_is_an_action_of_the_group_that_keeps_lengths(dtype):
    a, b, v = (
        random_quat(50, seed=1, dtype=dtype),
        random_quat(50, seed=2, dtype=dtype),
        normal(50, 3, seed=3).to(dtype),
    )
    assert_close(quat_rotate(quat_mul(a, b), v), quat_rotate(a, quat_rotate(b, v)), dtype, 4)
    assert_close(quat_rotate_inverse(a, quat_rotate(a, v)), v, dtype, 4)
    assert_close(quat_rotate(-a, v), quat_rotate(a, v), dtype, 4)
    assert_close(quat_rotate(a, v).norm(dim=-1), v.norm(dim=-1), dtype, 4)


def test_product_and_rotation_are_scipys():
    a, b, v = random_quat(100, seed=1), random_quat(100, seed=2), normal(100, 3, seed=3)
    product = scipy_rotation(quat_mul(a, b)).as_matrix()
    np.testing.assert_allclose(product, (scipy_rotation(a) * scipy_rotation(b)).as_matrix(), atol=1e-14)
    np.testing.assert_allclose(quat_rotate(a, v).numpy(), scipy_rotation(a).apply(v.numpy()), atol=1e-14)


def test_cross_product_is_torchs_and_right_handed():
    a, b = normal(20, 3, seed=0), normal(20, 3, seed=1)
    torch.testing.assert_close(cross(a, b), torch.linalg.cross(a, b))
    x, y, z = torch.eye(3)
    assert torch.equal(cross(x, y), z)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("angle", [0.0, 1e-40, 1e-20, 1e-12, 1e-7, 1e-4, 0.1, 1.0, 3.0, math.pi - 1e-4])
def test_exponential_and_logarithm_are_inverse(dtype, angle):
    axis = normal(40, 3, seed=4)
    rotvec = (angle * axis / axis.norm(dim=-1, keepdim=True)).to(dtype)
    back = quat_to_rotvec(quat_from_rotvec(rotvec))
    # relative to the angle: tiny turns keep all their digits, but for numbers that float32 has no digits for
    tiny = torch.finfo(dtype).tiny * 4
    torch.testing.assert_close(back, rotvec, rtol=0, atol=max(4 * torch.finfo(dtype).eps * angle, tiny))
    assert_close(quat_to_rotvec(-quat_from_rotvec(rotvec)), back, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_logarithm_at_and_beyond_half_a_turn_is_the_short_way_round(dtype):
    axis = torch.nn.functional.normalize(normal(40, 3, seed=5), dim=-1)
    half = quat_to_rotvec(quat_from_rotvec((math.pi * axis).to(dtype)))
    assert_close(half.norm(dim=-1), torch.full((40,), math.pi, dtype=torch.float64), dtype, 2)
    assert_close(half.abs(), math.pi * axis.abs(), dtype, 4)
    beyond = quat_to_rotvec(quat_from_rotvec(((2 * math.pi - 0.3) * axis).to(dtype)))
    assert_close(beyond, -0.3 * axis, dtype, 4)
    assert bool(quat_to_rotvec(random_quat(500, seed=6, dtype=dtype)).norm(dim=-1).le(math.pi + 1e-6).all())


def test_exponential_and_logarithm_are_scipys():
    rotvec = 2.0 * normal(100, 3, seed=7)
    np.testing.assert_allclose(
        scipy_rotation(quat_from_rotvec(rotvec)).as_matrix(),
        Rotation.from_rotvec(rotvec.numpy()).as_matrix(),
        atol=1e-14,
    )
    q = random_quat(100, seed=8)
    np.testing.assert_allclose(quat_to_rotvec(q).numpy(), scipy_rotation(q).as_rotvec(), atol=1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
def test_angle_is_symmetric_sign_blind_and_that_of_the_logarithm(dtype):
    a, b = random_quat(200, seed=1, dtype=dtype), random_quat(200, seed=2, dtype=dtype)
    angle = quat_angle(a, b)
    assert_close(angle, quat_angle(b, a), dtype, 4)
    assert_close(angle, quat_angle(-a, b), dtype, 4)
    assert_close(angle, quat_to_rotvec(quat_mul(quat_conj(a), b)).norm(dim=-1), dtype, 4)
    assert_close(quat_angle(a, a), torch.zeros(200), dtype)
    small = quat_from_rotvec(torch.full((200, 3), 1e-6, dtype=dtype))
    # the error of 1 - w would be 1e-4 here
    assert_close(quat_angle(a, quat_mul(a, small)), torch.full((200,), math.sqrt(3) * 1e-6), dtype, 0.5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_slerp_meets_its_ends_at_constant_speed_on_the_shorter_arc(dtype):
    a, b = random_quat(100, seed=1, dtype=dtype), random_quat(100, seed=2, dtype=dtype)
    whole = quat_angle(a, b)
    for end, t in ((a, 0.0), (b, 1.0)):
        assert_close(quat_angle(quat_slerp(a, b, torch.full((100,), t, dtype=dtype)), end), torch.zeros(100), dtype, 4)
    for t in (0.1, 0.25, 0.5, 0.9):
        middle = quat_slerp(a, b, torch.full((100,), t, dtype=dtype))
        assert_close(quat_angle(a, middle), t * whole, dtype, 8)
        assert_close(quat_angle(middle, b), (1 - t) * whole, dtype, 8)
        assert_close(
            quat_angle(quat_slerp(a, -b, torch.full((100,), t, dtype=dtype)), middle), torch.zeros(100), dtype, 8
        )


def test_slerp_broadcasts_one_time_over_joints():
    a, b, t = random_quat(6, 5, seed=1), random_quat(6, 5, seed=2), torch.linspace(0, 1, 6, dtype=torch.float64)
    each = torch.stack([quat_slerp(a[:, j], b[:, j], t) for j in range(5)], 1)
    torch.testing.assert_close(quat_slerp(a, b, t[:, None]), each)


@pytest.mark.parametrize("dtype", DTYPES)
def test_heading_is_the_yaw_of_the_turned_x_axis(dtype):
    q = random_quat(200, seed=3, dtype=dtype)
    x = quat_rotate(q, torch.tensor([1.0, 0.0, 0.0], dtype=dtype).expand(200, 3))
    heading = heading_angle(q)
    assert_close(
        torch.stack((heading.cos(), heading.sin()), -1), torch.nn.functional.normalize(x[:, :2], dim=-1), dtype, 8
    )
    yaw = 0.7
    turned = heading_angle(quat_mul(quat_from_yaw(torch.full((200,), yaw, dtype=dtype)), q))
    assert_close(torch.remainder(turned - heading - yaw + math.pi, 2 * math.pi) - math.pi, torch.zeros(200), dtype, 20)
    # pitch and roll about the turned axes leave it alone
    level = torch.linspace(-3, 3, 50, dtype=dtype)
    pitched = quat_mul(
        quat_from_yaw(level), quat_from_axis_angle(torch.eye(3, dtype=dtype)[1].expand(50, 3), 0.3 * level)
    )
    assert_close(heading_angle(pitched), level, dtype, 2)


def test_yaw_and_axis_angle_are_exponentials():
    angle = torch.linspace(-3, 3, 40, dtype=torch.float64)
    z = torch.eye(3, dtype=torch.float64)[2]
    torch.testing.assert_close(quat_from_yaw(angle), quat_from_rotvec(angle[:, None] * z))
    axis = torch.nn.functional.normalize(normal(40, 3, seed=9), dim=-1)
    torch.testing.assert_close(quat_from_axis_angle(axis, angle), quat_from_rotvec(angle[:, None] * axis))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rot6d_is_two_columns_of_scipys_matrix(dtype):
    q = random_quat(100, seed=10)
    matrix = torch.from_numpy(scipy_rotation(q).as_matrix())
    assert_close(quat_to_rot6d(q.to(dtype)), torch.cat((matrix[..., 0], matrix[..., 2]), -1), dtype)
    assert_close(quat_to_rot6d(-q.to(dtype)), quat_to_rot6d(q.to(dtype)), dtype)


def test_hemisphere_changes_signs_only_and_neighbours_agree():
    steps = quat_from_rotvec(0.4 * normal(60, 3, 3, seed=11))
    path = [random_quat(3, seed=12)]
    for step in steps:
        path.append(quat_mul(path[-1], step))
    smooth = torch.stack(path)
    signs = normal(61, 3, 1, seed=13).sign()
    fixed = quat_hemisphere(signs * smooth)
    torch.testing.assert_close(fixed, signs[0] * smooth)
    assert bool(((fixed[1:] * fixed[:-1]).sum(-1) > 0).all())
    assert quat_hemisphere(smooth[:1]).shape == (1, 3, 4)


def test_normalize_gives_unit_length_and_keeps_the_direction():
    q = 5 * normal(50, 4, seed=14)
    unit = quat_normalize(q)
    torch.testing.assert_close(unit.norm(dim=-1), torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close(unit * q.norm(dim=-1, keepdim=True), q)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_yaw_turns_as_its_quaternion_does(dtype):
    angle = torch.linspace(-4, 4, 40, dtype=dtype)
    turn, yaw = quat_from_yaw(angle), Yaw(angle)
    for shape in ((40,), (40, 3)):
        spread = turn.view(40, *(1,) * (len(shape) - 1), 4).expand(*shape, 4)
        v, q = normal(*shape, 3, seed=1).to(dtype), random_quat(*shape, seed=2, dtype=dtype)
        assert_close(yaw.rotate(v), quat_rotate(spread, v), dtype, 4)
        assert_close(yaw.rotate_inverse(v), quat_rotate_inverse(spread, v), dtype, 4)
        assert_close(yaw.mul(q), quat_mul(spread, q), dtype, 2)
        assert_close(yaw.inverse_mul(q), quat_mul(quat_conj(spread), q), dtype, 2)
