"""Left and right: every character, its servos and its drawn figure are exact mirror images of themselves."""

import numpy as np
import pytest

from characters.character import load_character
from tests.characters.figures import (
    CHARACTERS,
    HINGE,
    Array,
    model,
    posed,
    random_qpos,
    shape_matrices,
    table,
    zero_pose,
)

MIRROR = np.diag([1.0, -1.0, 1.0])  # in the x-z plane of the z-up frame


def partner(name: str) -> dict[str, str]:
    """Each body's mirror image by name."""
    pairs = load_character(name).config.mirror_pairs
    swaps = dict(pairs) | {left: right for right, left in pairs}
    return {row.name: swaps.get(row.name, row.name) for row in table(name)}


def mirrored_qpos(name: str, qpos: Array) -> Array:
    m, out = model(name), qpos.copy()
    out[:7] = qpos[:7] * [1, -1, 1, 1, -1, 1, -1]
    for joint in (m.joint(j) for j in range(1, m.njnt)):
        source, target = joint.qposadr[0], m.joint(partner(name)[joint.name]).qposadr[0]
        if joint.type[0] == HINGE:
            out[target] = qpos[source]
        else:
            out[target : target + 4] = qpos[source : source + 4] * [1, -1, 1, -1]
    return out


@pytest.mark.parametrize("name", CHARACTERS)
def test_a_mirrored_pose_puts_every_body_in_its_mirrored_place(name: str) -> None:
    rng, m = np.random.default_rng(3), model(name)
    for _ in range(20):
        qpos = random_qpos(name, rng)
        here, there = posed(name, qpos), posed(name, mirrored_qpos(name, qpos))
        for body, image in partner(name).items():
            np.testing.assert_allclose(there.body(image).xpos, MIRROR @ here.body(body).xpos, atol=1e-9)
            np.testing.assert_allclose(there.body(image).xipos, MIRROR @ here.body(body).xipos, atol=1e-9)
            shape = shape_matrices(name, here, [m.geom(body).id])[0]
            image_shape = shape_matrices(name, there, [m.geom(image).id])[0]
            np.testing.assert_allclose(image_shape, MIRROR @ shape @ MIRROR, atol=1e-9)


@pytest.mark.parametrize("name", CHARACTERS)
def test_masses_inertias_and_servos_mirror(name: str) -> None:
    m, character = model(name), load_character(name)
    joints = {joint.name: joint for joint in character.joints}
    assert sum(body.startswith("left") for body in partner(name)) == len(character.config.mirror_pairs)
    for body, image in partner(name).items():
        assert m.body(body).mass[0] == m.body(image).mass[0]
        np.testing.assert_allclose(m.body(body).inertia, m.body(image).inertia, rtol=1e-12)
        if body in joints:
            one, other = joints[body], joints[image]
            assert (one.kind, one.axis, one.range) == (other.kind, other.axis, other.range)
            assert (one.kp, one.kd, one.torque_limit) == (other.kp, other.kd, other.torque_limit)
            assert one.weight == other.weight
    for names in (character.end_effectors, character.config.allowed_contacts):
        assert {partner(name)[body] for body in names} == set(names)


@pytest.mark.parametrize("name", CHARACTERS)
def test_the_drawn_figure_is_its_own_mirror_image(name: str) -> None:
    m, data = model(name), posed(name, zero_pose(name))
    geoms = np.flatnonzero(m.geom_group == 1).tolist()
    shapes, places = shape_matrices(name, data, geoms), data.geom_xpos[geoms]
    for i, g in enumerate(geoms):
        same_type = m.geom_type[geoms] == m.geom_type[g]
        apart = np.abs(places - MIRROR @ places[i]).max(axis=1)
        differ = np.abs(shapes - MIRROR @ shapes[i] @ MIRROR).max(axis=(1, 2))
        assert (same_type & (apart < 1e-9) & (differ < 1e-9)).any(), m.body(m.geom_bodyid[g]).name
