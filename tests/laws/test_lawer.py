"""Law 6, with the learner itself: LAWER on every transition of a small deterministic decision process."""

import pytest
import torch

from mimic.rl.algorithms.lawer import LAWERConfig
from mimic.rl.demonstrations import fill
from mimic.rl.episodes import Episodes
from mimic.rl.learner import Networks
from mimic.rl.policy import Critic, Policy, PolicyConfig
from mimic.rl.replay import Replay
from mimic.rl.vec_env import Termination

pytestmark = pytest.mark.law
_STATES, _ACTIONS, _GAMMA = 5, 3, 0.7
_SIZES = PolicyConfig((32,), (32,), obs_clip=0.0)


def _process():
    """Rewards and next states of all S x A transitions, and the optimal values."""
    rng = torch.Generator().manual_seed(2)
    reward = torch.rand(_STATES, _ACTIONS, generator=rng)
    following = torch.randint(0, _STATES, (_STATES, _ACTIONS), generator=rng)
    optimal = torch.zeros(_STATES)
    for _ in range(100):
        optimal = (reward + _GAMMA * optimal[following]).amax(1)
    return reward, following, optimal


def _learn(temperature):
    """Values (S,) and choices (S,) after 150 updates on all transitions, each an episode that was cut."""
    reward, following, _ = _process()
    pairs = torch.cartesian_prod(torch.arange(_STATES), torch.arange(_ACTIONS))
    one_hot, count = torch.eye(_STATES), len(pairs)
    rng = torch.Generator().manual_seed(0)
    policy = Policy(_STATES, 1, _SIZES, rng, torch.ones(_STATES, dtype=torch.bool), _ACTIONS)
    critic = Critic(_STATES, _SIZES, _GAMMA, rng)
    ends = torch.full((count,), int(Termination.TIMEOUT), dtype=torch.int8)
    replay = Replay(1, 1, count, _STATES, 1, params_dim=_ACTIONS)
    action = pairs[:, 1:].float()
    episodes = Episodes(
        one_hot[pairs[:, 0]],
        action,
        torch.zeros(count, 0),
        reward.flatten(),
        torch.ones(count, dtype=torch.int64),
        ends,
        one_hot[following.flatten()],
    )
    fill(replay, episodes, policy.head)
    config = LAWERConfig(
        gamma=_GAMMA,
        td_lambda=0.0,
        temperature=temperature,
        critic_lr=5e-3,
        critic_passes=8,
        actor_lr=1e-2,
        actor_passes=4,
        target_kl=0.0,
        bound_weight=0.0,
    )
    learner = config.create(Networks(policy, critic, torch.zeros(1), torch.full((1,), 2.0)), rng)
    for _ in range(150):
        learner.update(replay)
    with torch.no_grad():
        return critic(one_hot), policy.mean(one_hot).squeeze(1).long()


def test_law_6_the_values_of_the_learner_tend_to_the_optimal_ones_from_below_and_its_policy_is_optimal():
    reward, following, optimal = _process()
    errors = []
    for temperature in (2.0, 0.5, 0.1):
        value, choice = _learn(temperature)
        assert (value <= optimal + 0.02).all()
        errors.append(float((optimal - value).max()))
    assert errors[0] > 0.3 and errors[0] > errors[1] > errors[2] and errors[2] < 0.05
    best = (reward + _GAMMA * optimal[following]).argmax(1)
    assert torch.equal(choice, best)
