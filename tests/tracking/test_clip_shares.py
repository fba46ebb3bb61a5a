"""Clips of a library get their share of the environments, and more of them where they fall."""

import torch

from mimic.tracking.clip_shares import ClipShares
from tests.tracking.test_motion_library import library, motions


def test_at_first_every_clip_has_equally_many_environments():
    env = library(motions(), 12, training=True)
    ClipShares(env)
    env.reset()
    assert torch.bincount(env.tracker.current.clip).tolist() == [4, 4, 4]


def test_a_clip_that_falls_gets_more_environments_and_no_clip_loses_half_of_its_even_share():
    env = library(motions(), 60, training=True)
    shares = ClipShares(env)
    env.reset()
    clip, every = env.tracker.current.clip.clone(), torch.ones(60, dtype=torch.bool)
    for _ in range(200):
        shares.count(clip, every, clip == 1)
    assert shares.rates.argmax() == 1 and float(shares.shares.min()) >= 0.5 / 3
    torch.testing.assert_close(shares.shares.sum(), torch.tensor(1.0))
    env.reset()
    count = torch.bincount(env.tracker.current.clip, minlength=3)
    assert (count.double() / 60 - shares.shares).abs().max() < 1 / 30 and count.argmax() == 1


def test_falls_that_do_not_count_change_no_share():
    env = library(motions(), 6, training=True)
    shares = ClipShares(env)
    env.reset()
    before = shares.shares.clone()
    for _ in range(50):
        shares.count(env.tracker.current.clip, torch.zeros(6, dtype=torch.bool), torch.ones(6, dtype=torch.bool))
    torch.testing.assert_close(shares.shares, before)
