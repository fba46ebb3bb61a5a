import pytest
import torch

from mimic.rl.vec_env import Termination
from mimic.tracking.adaptive_sampling import BINS, AdaptiveSampling
from mimic.tracking.config import EnvConfig
from tests.kinematic_engine import config, gentle_motion, make

UNIFORM = (torch.arange(20_000, dtype=torch.float64) + 0.5) / 20_000


def share_of(phases, bin_):
    return float(((phases * BINS).long() == bin_).double().mean())


def counted(share, failing, n=4000):
    """AdaptiveSampling all over the clip, those in the bins ``failing`` without success."""
    starts, phase = (
        AdaptiveSampling(share),
        torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64),
    )
    failed = torch.isin((phase * BINS).long(), torch.tensor(failing))
    starts.count(phase, torch.ones(n, dtype=torch.bool), failed)
    return starts


def test_start_phases_are_uniform_without_a_share_and_before_any_episode_is_counted():
    assert torch.equal(counted(0.0, [3]).phases(UNIFORM), UNIFORM)
    torch.testing.assert_close(AdaptiveSampling(0.5).phases(UNIFORM), UNIFORM, atol=1e-9, rtol=0)


def test_the_share_goes_where_starts_fail_and_nothing_is_left_out():
    phases = counted(0.5, [3, 20]).phases(UNIFORM)
    assert bool((phases[1:] > phases[:-1]).all()) and float(phases.min()) >= 0 and float(phases.max()) < 1
    for bin_ in (3, 20):
        assert 0.2 < share_of(phases, bin_) < 0.27, "half of a half, and what is even"
    others = [share_of(phases, b) for b in range(BINS) if b not in (3, 20)]
    assert min(others) > 0.5 / BINS and max(others) < 0.75 / BINS


def test_every_clip_of_a_library_has_its_own_rates():
    starts, phase = AdaptiveSampling(0.5, num_clips=2), torch.full((400,), 3.5 / BINS, dtype=torch.float64)
    starts.count(phase, phase > 0, phase > 0, torch.ones(400, dtype=torch.int64))
    torch.testing.assert_close(starts.phases(UNIFORM, torch.zeros(len(UNIFORM)).long()), UNIFORM, atol=1e-9, rtol=0)
    assert share_of(starts.phases(UNIFORM, torch.ones(len(UNIFORM)).long()), 3) > 1.4 / BINS


def test_old_failures_are_forgotten():
    starts = counted(0.5, [3])
    phase, none = torch.rand(400, dtype=torch.float64, generator=torch.Generator().manual_seed(1)), torch.zeros(400)
    for _ in range(2000):
        starts.count(phase, torch.ones(400, dtype=torch.bool), none.bool())
    assert share_of(starts.phases(UNIFORM), 3) < 1.2 / BINS


@pytest.mark.parametrize("training", [False, True])
def test_an_environment_counts_its_own_episodes_while_it_trains(training):
    env = make(gentle_motion("humanoid"), 64, config("adaptive_starts=0.5"), training=training)
    env.reset()
    started, ends, failed = env.state_dict()["start_phase"].clone(), 0, 0
    torch.testing.assert_close(started, env.tracker.current.clip_time / env.tracker.reference.duration)
    for _ in range(40):
        end = env.step(torch.zeros(64, env.act_dim)).end
        ends, failed = ends + int((end != Termination.NONE).sum()), failed + int((end == Termination.FAIL).sum())
    assert failed > 20
    tries, fails = float(env.sampling.tries.sum()), float(env.sampling.fails.sum())
    assert (0.9 * ends < tries <= ends and 0.9 * failed < fails <= failed) if training else tries == fails == 0.0
    assert {"starts.fails", "starts.tries", "start_phase"} <= set(env.state_dict())


def test_a_share_is_a_share():
    with pytest.raises(ValueError, match="adaptive_starts"):
        EnvConfig(config().observation, config().reward, adaptive_starts=1.5)
