"""Laws of weighted regression, each against its closed form (numbers as in facts/seed_learners.md, 5.3).

Laws 6 and 8 are in test_finite_mdps.py, 7 in test_negative_rewards.py, 9 and 10 in tests/rl/test_episodes.py too, 11 in
tests/gym/test_batched.py: ``pytest -m law`` runs all.
"""

import pytest
import torch

from mimic.rl.heads import CategoricalHead, GaussianHead, control_variate_target
from mimic.rl.learner import standardize
from mimic.rl.returns import episode_td_lambda_return
from mimic.rl.vec_env import Termination
from mimic.rl.weights import effective_sample_share, exponential, indicator, normalized, positive, uniform

pytestmark = pytest.mark.law
_NO_CLIP = 1e300


def _rng(seed):
    return torch.Generator().manual_seed(seed)


def _randn(*shape, seed=0):
    return torch.randn(*shape, generator=_rng(seed), dtype=torch.float64)


def _fitted_choices(behaviour, weight):
    """Probabilities (K,) that minimise the categorical regression over all K actions drawn from ``behaviour`` (K,)."""
    head, count = CategoricalHead(behaviour.numel()), behaviour.numel()
    logits = torch.zeros(1, count, dtype=torch.float64, requires_grad=True)
    target = head.statistic(torch.arange(count, dtype=torch.float64).unsqueeze(1))
    optimizer = torch.optim.LBFGS(
        [logits], max_iter=500, tolerance_grad=1e-12, tolerance_change=0.0, line_search_fn="strong_wolfe"
    )

    def loss():
        optimizer.zero_grad()
        value = head.regression(logits.expand(count, count), count * behaviour * weight, target)
        value.backward()
        return value

    optimizer.step(loss)
    return logits.detach().softmax(-1)[0]


@pytest.mark.parametrize("beta", [0.3, 1.0, 5.0])
def test_law_1_the_fit_on_a_bandit_is_the_behaviour_times_the_exponential_of_the_advantage(beta):
    behaviour, reward = _randn(6, seed=1).softmax(-1), _randn(6, seed=2)
    weight = exponential(reward - (behaviour * reward).sum(), beta, _NO_CLIP)
    expected = behaviour * (reward / beta).exp()
    torch.testing.assert_close(_fitted_choices(behaviour, weight), expected / expected.sum(), rtol=0.0, atol=1e-6)


def _slope(state, action, advantage, beta):
    """Least-squares slope of the action over the state, and the effective share of samples, under exponential weights."""
    weight = exponential(advantage, beta, _NO_CLIP)
    return float((weight * state * action).sum() / (weight * state.square()).sum()), effective_sample_share(weight)


def test_law_2_on_a_quadratic_the_fit_is_the_product_of_two_gaussians_and_a_wide_baseline_hurts():
    """Behaviour N(m s, std), reward -(a - k s)^2: the fitted slope is (m/std^2 + 2k/beta) / (1/std^2 + 2/beta)."""
    m, k, std, beta, count = 0.5, 1.5, 0.5, 0.5, 400_000
    expected = (m / std**2 + 2 * k / beta) / (1 / std**2 + 2 / beta)
    noise = std * _randn(count, seed=1)
    for state, exact in (
        (2.0 * torch.rand(count, generator=_rng(2), dtype=torch.float64) - 1.0, True),
        (3.0 * _randn(count, seed=3), False),
    ):
        action = m * state + noise
        reward = -(action - k * state).square()
        baseline = -((m - k) ** 2) * state.square() - std**2
        plain, _ = _slope(state, action, reward, beta)
        assert plain == pytest.approx(expected, abs=0.02)
        slope, share = _slope(state, action, reward - baseline, beta)
        if exact:
            assert slope == pytest.approx(expected, abs=0.02) and share > 0.1
        else:  # far states have huge weights, and few samples decide
            assert share < 1e-3


def test_law_3_a_high_temperature_is_cloning_and_a_low_one_the_best_action():
    head, output = GaussianHead(2).double(), _randn(50, 2).requires_grad_()
    target, advantage = _randn(50, 2, seed=1), _randn(50, seed=2)
    gradients = [
        torch.autograd.grad(head.regression(output, weight, target), output)[0]
        for weight in (exponential(advantage, 1e7), uniform(advantage))
    ]
    torch.testing.assert_close(*gradients, rtol=0.0, atol=1e-7)
    behaviour, reward = torch.full((5,), 0.2, dtype=torch.float64), _randn(5, seed=3)
    fitted = _fitted_choices(behaviour, exponential(reward - reward.max(), 1e-3))
    assert fitted.argmax() == reward.argmax() and fitted.max() > 0.999


def test_law_4_what_weighting_adds_to_cloning_tends_to_the_policy_gradient():
    head, output = GaussianHead(2).double(), _randn(50, 2).requires_grad_()
    action, advantage = _randn(50, 2, seed=1), _randn(50, seed=2)

    def gradient(weight):
        return torch.autograd.grad(head.regression(output, weight, action), output)[0]

    policy_gradient, cloning = gradient(advantage), gradient(uniform(advantage))
    errors = [
        float(
            (beta * (gradient(exponential(advantage, beta, _NO_CLIP)) - cloning) - policy_gradient).norm()
            / policy_gradient.norm()
        )
        for beta in (10.0, 100.0, 1000.0)
    ]
    assert errors[0] < 0.5
    assert errors[1] == pytest.approx(errors[0] / 10, rel=0.3) and errors[2] == pytest.approx(errors[1] / 10, rel=0.1)


def test_law_4_the_first_gradient_of_reward_weighted_regression_is_the_policy_gradients():
    head, count = CategoricalHead(6), 6
    logits, reward = _randn(1, count).requires_grad_(), _randn(count, seed=1).exp()
    acting = logits.detach().softmax(-1)[0]
    target = head.statistic(torch.arange(count, dtype=torch.float64).unsqueeze(1))
    regression = head.regression(logits.expand(count, count), count * acting * reward, target)
    expected_reward = (head.expectation(logits)[0] * reward).sum()
    mine, theirs = (torch.autograd.grad(loss, logits)[0] for loss in (regression, -expected_reward))
    torch.testing.assert_close(mine, theirs, rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("function", [positive, indicator])
@pytest.mark.parametrize("head", [GaussianHead(3).double(), CategoricalHead(3)])
def test_law_5_cacla_and_self_imitation_take_nothing_from_what_was_no_better(function, head):
    output, advantage = _randn(200, 3).requires_grad_(), _randn(200, seed=1)
    advantage[:5] = 0.0
    action = head.sample(output.detach(), _rng(2))
    loss = head.regression(output, normalized(function(advantage)), head.statistic(action))
    pulled = torch.autograd.grad(loss, output)[0].abs().sum(1)
    assert torch.equal(pulled > 0.0, advantage > 0.0)


@pytest.mark.parametrize(("scale", "shift"), [(7.0, 0.0), (1.0, -100.0), (0.01, 3.0)])
def test_law_9_standardised_weights_do_not_change_with_the_scale_and_shift_of_rewards(scale, shift):
    gamma, count = 0.95, 300
    reward, value, final = _randn(count), _randn(count, seed=1), _randn(3, seed=2)
    length, end = torch.tensor([100, 50, 150]), torch.full((3,), int(Termination.TIMEOUT), dtype=torch.int8)

    def weights(a, c):
        values = [a * v + c / (1.0 - gamma) for v in (value, final)]
        returns = episode_td_lambda_return(a * reward + c, *values, length, end, gamma, 0.9)
        advantage = standardize(returns - values[0], torch.ones(count, dtype=torch.bool))
        return normalized(exponential(advantage, 2.0))

    torch.testing.assert_close(weights(scale, shift), weights(1.0, 0.0), rtol=1e-2 if scale < 1 else 1e-4, atol=0.0)


def test_law_12_a_categorical_control_variate_has_the_same_expected_gradient_and_less_variance():
    """Exact over all actions: every state's K actions are rows, weighted by how probable the behaviour found them."""
    head, states, count = CategoricalHead(5), 40, 5
    logits, behaviour = _randn(states, count).requires_grad_(), 0.5 * _randn(states, count, seed=1)
    probability = head.expectation(behaviour)
    weight = exponential(0.5 * _randn(states, count, seed=2))
    average = (probability * weight).sum() / states
    action = torch.arange(count, dtype=torch.float64).repeat(states, 1).unsqueeze(-1)
    plain, anchor = head.statistic(action), probability.unsqueeze(1).expand(states, count, count)
    shifted = control_variate_target(plain.flatten(0, 1), anchor.flatten(0, 1), weight.flatten(), average).view_as(
        plain
    )

    def gradients(target):  # (states, K actions, K logits)
        return weight.unsqueeze(-1) * (head.expectation(logits).unsqueeze(1) * target.sum(-1, keepdim=True) - target)

    def moments(target):
        each, share = gradients(target), probability.unsqueeze(-1)
        mean = (share * each).sum(1)
        return mean, float((share * (each - mean.unsqueeze(1)).square()).sum().detach())

    (mean, variance), (same, less) = moments(plain), moments(shifted)
    torch.testing.assert_close(same, mean, rtol=0.0, atol=1e-12)
    assert less < 0.7 * variance
    rows = logits.unsqueeze(1).expand(states, count, count).flatten(0, 1)
    loss = head.regression(rows, (states * count * probability * weight).flatten(), shifted.flatten(0, 1))
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], mean, rtol=0.0, atol=1e-12)
