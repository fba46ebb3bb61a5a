"""Which clip an episode of a library starts with: by weight, by failure, and whatever the length of episodes."""

import torch

from mimic.tracking.library_sampling import LibrarySampling
from mocap.catalogue import load_clips
from tests.tracking.test_motion_library import library, settings


def shares_of_time(sampling, seconds, failing, steps=4000):
    """Simulate 60 environments whose episodes last ``seconds`` (K,); those of clips in ``failing`` (K,) bool fail."""
    random = torch.Generator().manual_seed(0)
    clip = torch.arange(60) % len(seconds)
    age, spent = torch.zeros(60), torch.zeros(len(seconds))
    for _ in range(steps):
        age += 0.1
        ended = age >= seconds[clip]
        sampling.count(clip, ended, ended & failing[clip])
        spent += torch.bincount(clip, minlength=len(seconds))
        fresh = sampling.draw(torch.rand(60, dtype=torch.float64, generator=random))
        clip, age = torch.where(ended, fresh, clip), torch.where(ended, 0.0, age)
    return spent / spent.sum()


def test_weights_divide_the_time_of_training_however_long_episodes_are():
    sampling = LibrarySampling(torch.tensor([1.0, 1.0, 2.0]), 0.1, torch.device("cpu"))
    spent = shares_of_time(sampling, torch.tensor([0.5, 4.0, 2.0]), torch.tensor([False] * 3))
    assert torch.allclose(spent, torch.tensor([0.25, 0.25, 0.5]), atol=0.04)


def test_a_clip_that_fails_gets_more_time_and_no_clip_is_forgotten():
    sampling = LibrarySampling(torch.ones(3), 0.1, torch.device("cpu"))
    spent = shares_of_time(sampling, torch.tensor([1.0, 1.0, 1.0]), torch.tensor([True, False, False]))
    assert spent[0] > 0.5 and float(spent.min()) > 0.15


def test_a_library_in_training_draws_by_weight_and_continues_from_its_state():
    clips = load_clips("trot-authored+turn-authored")
    env = library(clips, 8, settings(), training=True)
    env.reset()
    for _ in range(30):
        env.step(torch.zeros(8, env.act_dim))
    state = env.state_dict()
    other = library(clips, 8, settings(), training=True)
    other.load_state_dict(state)
    assert torch.equal(other.state()["library.seconds"], state["library.seconds"])
    assert float(state["library.seconds"].sum()) > 4.0
    env._library.fails[1] = 1e6
    assert int((env.clips.first(slice(None)) == 1).sum()) > 4
