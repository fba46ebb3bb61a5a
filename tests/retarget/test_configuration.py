"""The solver's kinematics against the project's own, and its derivatives against finite differences."""

import pytest
import torch

from characters import CharacterState, Kinematics, load_character
from retarget.configuration import Configuration, KinematicTree
from tests.motion_samples import random_motion


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_bodies_are_where_kinematics_has_them(name):
    character, motion = load_character(name), random_motion(name)
    still = torch.zeros_like(motion.root_pos_w)
    rates = torch.zeros(motion.num_frames, character.num_actuated, dtype=torch.float64)
    state = CharacterState(motion.root_pos_w, motion.root_quat_w, still, still, motion.joint_quat, rates)
    ours = KinematicTree(character).forward(Configuration.of(motion))
    assert torch.allclose(ours.pos, Kinematics(character, "cpu", torch.float64).forward(state).pos_w, atol=1e-12)


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_rows_are_the_derivatives(name):
    character = load_character(name)
    tree, configuration = KinematicTree(character), Configuration.of(random_motion(name, frames=3))
    body = torch.arange(len(character.bodies))
    at = torch.randn(len(body), 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64) * 0.1
    bodies = tree.forward(configuration)
    rows = torch.stack(tree.point_rows(bodies, tree.points(bodies, body, at), body), -1)
    for dof in range(3, tree.num_dof):
        step = torch.zeros(len(configuration), tree.num_dof, dtype=torch.float64)
        step[:, dof] = 1e-6
        ends = [tree.points(tree.forward(tree.retract(configuration, s)), body, at) for s in (step, -step)]
        assert torch.allclose(rows[:, dof - 3], (ends[0] - ends[1]) / 2e-6, atol=1e-7), dof


@pytest.mark.parametrize("name", ["humanoid", "dog"])
def test_a_step_and_the_difference_are_inverse(name):
    tree, configuration = KinematicTree(load_character(name)), Configuration.of(random_motion(name))
    step = 0.3 * torch.randn(len(configuration), tree.num_dof, generator=torch.Generator().manual_seed(2)).double()
    assert torch.allclose(tree.difference(configuration, tree.retract(configuration, step)), step, atol=1e-9)
