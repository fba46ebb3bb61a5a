"""The advantage that actions explain: found where there is some, and nothing where there is luck alone."""

import pytest
import torch

from mimic.rl.advantage_model import explained_advantage

COUNT = 8000


def _samples(signal: float):
    """States, actions, advantages of variance 1 of which ``signal`` is explained, and folds of whole episodes."""
    rng = torch.Generator().manual_seed(0)
    state, action, luck = (torch.randn(COUNT, k, generator=rng) for k in (6, 3, 1))
    true = state[:, 0].sign() * action[:, 0]
    advantage = signal**0.5 * true + (1.0 - signal) ** 0.5 * luck[:, 0]
    return torch.cat([state, action], 1), advantage - advantage.mean(), torch.arange(COUNT) // 100 % 2 == 0, true


def test_luck_alone_gives_no_advantage():
    inputs, advantage, fold, _ = _samples(0.0)
    found, share = explained_advantage(inputs, advantage, fold, torch.Generator().manual_seed(1))
    assert share < 0.005 and float(found.std()) < 0.07


def test_an_action_that_matters_is_found_at_its_true_size():
    inputs, advantage, fold, true = _samples(0.3)
    found, share = explained_advantage(inputs, advantage, fold, torch.Generator().manual_seed(1))
    assert 0.15 < share <= 0.32
    assert float(torch.corrcoef(torch.stack([found, true]))[0, 1]) > 0.8
    assert float((found * true).mean() / found.square().mean()) == pytest.approx(0.3**-0.5, rel=0.1)  # unbiased


def test_samples_of_one_fold_alone_have_no_advantage_because_nothing_judges_them():
    inputs, advantage, _, _ = _samples(0.3)
    found, share = explained_advantage(inputs, advantage, torch.ones(COUNT, dtype=torch.bool), torch.Generator())
    assert share == 0.0 and bool((found == 0.0).all())


def test_the_result_depends_on_the_generator_alone():
    inputs, advantage, fold, _ = _samples(0.3)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (
        explained_advantage(inputs[:800], advantage[:800], fold[:800], torch.Generator().manual_seed(1))[0]
        for _ in range(2)
    )
    assert torch.equal(first, second) and torch.equal(torch.get_rng_state(), before)
