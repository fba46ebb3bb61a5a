"""SimulatedMotion: the very states the simulation went through, and the reference beside them."""

import pytest
import torch

from mimic.core.errors import InputError
from mimic.core.rotations import quat_angle
from mimic.exporting.simulated_motion import simulate_motion
from mimic.runs.controller import load_controller
from tests.exporting import bundles
from tests.kinematic_engine import config
from tests.motion_samples import clip_or_skip


@pytest.fixture(scope="module")
def cartwheel():
    clip_or_skip("cartwheel")
    return load_controller("cartwheel")


def test_every_fourth_state_is_what_the_environment_saw(cartwheel):
    recording = simulate_motion(cartwheel, 0.5)
    env = cartwheel.make_env(1, threads=1)
    obs = env.reset(torch.zeros(1, dtype=torch.float64))
    substeps = env.character.simulation.substeps
    assert recording.simulated.num_frames == 15 * substeps + 1 and recording.reference.num_frames == 16
    assert recording.simulated.duration == pytest.approx(recording.reference.duration)
    with torch.no_grad():
        for step in range(1, 16):
            obs = env.step(cartwheel.policy.mean(obs)).obs
            assert torch.equal(recording.simulated.root_pos_w[substeps * step], env.sim.root_pos_w[0].double())
            assert (
                quat_angle(recording.simulated.joint_quat[substeps * step], env.sim.joint_quat[0].double()).max() < 1e-6
            )
            assert torch.equal(recording.reference.root_pos_w[step], env.reference.state.root_pos_w[0].double())


def test_a_simulated_motion_starts_as_its_clip_and_carries_the_licence(cartwheel):
    recording = simulate_motion(cartwheel, 0.1)
    assert (recording.simulated.root_pos_w[0] - recording.reference.root_pos_w[0]).abs().max() < 1e-6
    assert recording.simulated.license and recording.simulated.license == recording.reference.license
    assert recording.ended is None and not recording.turns
    assert recording.cycle_s == pytest.approx(2.7166, abs=1e-3)


def test_a_fall_ends_the_simulated_motion_and_is_stated(tmp_path):
    """An untrained dog on an unlikely task: nothing but its toes may come near the ground."""
    controller = bundles.untrained(tmp_path, "dog", config("termination.contact_height=0.2"), duration=1.0)
    with pytest.raises(InputError, match=r"fell after 0\.00 s; there is nothing to export"):
        simulate_motion(controller, 2.0)
    controller = bundles.untrained(tmp_path, "dog", duration=1.0)
    recording = simulate_motion(controller, 12.0)
    assert recording.ended is not None and recording.ended.startswith("fell after ")
    assert recording.reference.duration == pytest.approx(float(recording.ended.split()[2]), abs=0.006)


def test_a_clip_that_does_not_loop_is_over_with_the_clip(tmp_path):
    controller = bundles.untrained(
        tmp_path, "humanoid", config("termination.contact_height=-9"), loop=False, duration=0.5
    )
    recording = simulate_motion(controller, 3.0)
    assert recording.ended == "the clip is over"
    assert recording.simulated.duration == pytest.approx(0.5, abs=0.034)
