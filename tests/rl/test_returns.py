import pytest
import torch

from mimic.rl.returns import explained_variance, next_values, td_lambda_return
from mimic.rl.vec_env import Termination


def _column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def _ends(*ends: Termination) -> torch.Tensor:
    return torch.tensor([int(e) for e in ends], dtype=torch.int8).unsqueeze(1)


def _returns(reward, value, last, end, stopped, gamma, lam, clip_end="zero"):
    following = next_values(value, last, end, stopped, clip_end)
    return td_lambda_return(reward, value, following, end, gamma, lam)


def test_worked_by_hand():
    # gamma .5, lambda .5, V = 2, 4, 6, newest edge V = 8:
    # G2 = 1 + .5 * 8 = 5;  G1 = 1 + .5 (.5 * 6 + .5 * 5) = 3.75;  G0 = 1 + .5 (.5 * 4 + .5 * 3.75) = 2.9375
    got = _returns(
        _column(1, 1, 1),
        _column(2, 4, 6),
        torch.tensor([8.0]),
        _ends(Termination.NONE, Termination.NONE, Termination.NONE),
        _column(0, 0, 0),
        0.5,
        0.5,
    )
    assert got.flatten().tolist() == [2.9375, 3.75, 5.0]


@pytest.mark.parametrize(
    "end, clip_end, follows",
    [
        (Termination.FAIL, "zero", 0.0),
        (Termination.FAIL, "bootstrap", 0.0),
        (Termination.TIMEOUT, "zero", 10.0),
        (Termination.TIMEOUT, "bootstrap", 10.0),
        (Termination.CLIP_END, "zero", 0.0),
        (Termination.CLIP_END, "bootstrap", 10.0),
    ],
)
def test_each_end_has_its_value_and_cuts_the_path(end, clip_end, follows):
    got = _returns(
        _column(1, 1, 1),
        _column(2, 4, 6),
        torch.tensor([8.0]),
        _ends(Termination.NONE, end, Termination.NONE),
        _column(-1, 10, -1),
        0.5,
        0.5,
        clip_end,
    )
    g1 = 1 + 0.5 * follows
    assert got.flatten().tolist() == [1 + 0.5 * (0.5 * 4 + 0.5 * g1), g1, 5.0]


def test_a_diverged_step_cuts_at_the_last_good_state():
    got = _returns(
        _column(1, 0, 1),
        _column(2, 4, 6),
        torch.tensor([8.0]),
        _ends(Termination.NONE, Termination.DIVERGED, Termination.NONE),
        _column(0, 0, 0),
        0.5,
        0.5,
    )
    assert got.flatten().tolist() == [1 + 0.5 * 4, 4.0, 5.0]


def _random(steps=30, envs=5, seed=0):
    rng = torch.Generator().manual_seed(seed)
    pick = lambda *shape: torch.rand(*shape, generator=rng, dtype=torch.float64)  # noqa: E731
    ends = torch.multinomial(torch.tensor([0.8, 0.05, 0.05, 0.05, 0.05]), steps * envs, True, generator=rng)
    end = ends.view(steps, envs).to(torch.int8)
    reward = pick(steps, envs).masked_fill(end == Termination.DIVERGED, 0.0)
    return reward, pick(steps, envs), pick(envs), end, pick(steps, envs)


def _forward_view(reward, value, last, end, stopped, gamma, lam, t, n):
    """The lambda-weighted average of n-step returns, from its definition."""
    horizon, total, weight, discount, partial = reward.shape[0], 0.0, 1.0, 1.0, 0.0
    if end[t, n] == Termination.DIVERGED:
        return float(value[t, n])
    while True:
        partial += discount * float(reward[t, n])
        discount *= gamma
        kind = int(end[t, n])
        if kind == Termination.NONE and t + 1 < horizon:
            bootstrap, over = float(value[t + 1, n]), int(end[t + 1, n]) == Termination.DIVERGED
        elif kind == Termination.NONE:
            bootstrap, over = float(last[n]), True
        else:
            bootstrap, over = float(stopped[t, n]) if kind == Termination.TIMEOUT else 0.0, True
        if over:
            return total + weight * (partial + discount * bootstrap)
        total += weight * (1.0 - lam) * (partial + discount * bootstrap)
        weight *= lam
        t += 1


@pytest.mark.parametrize("lam", [0.0, 0.3, 0.9, 1.0])
def test_equals_the_forward_view(lam):
    data = _random()
    got = _returns(*data, 0.9, lam)
    want = [[_forward_view(*data, 0.9, lam, t, n) for n in range(5)] for t in range(30)]
    torch.testing.assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_lambda_one_without_ends_is_monte_carlo_and_zero_is_one_step():
    reward, value, last, end, stopped = _random()
    end = torch.zeros_like(end)
    discounts = 0.9 ** torch.arange(31, dtype=torch.float64).unsqueeze(1)
    monte_carlo = (discounts[:30] * reward).sum(0) + discounts[30] * last
    torch.testing.assert_close(_returns(reward, value, last, end, stopped, 0.9, 1.0)[0], monte_carlo)
    one_step = reward + 0.9 * torch.cat([value[1:], last[None]])
    torch.testing.assert_close(_returns(reward, value, last, end, stopped, 0.9, 0.0), one_step)


def test_forgetting_the_oldest_leaves_the_others_returns():
    reward, value, last, end, stopped = _random()
    whole = _returns(reward, value, last, end, stopped, 0.95, 0.9)
    part = _returns(reward[11:], value[11:], last, end[11:], stopped[11:], 0.95, 0.9)
    assert torch.equal(whole[11:], part)


def test_explained_variance():
    target = torch.arange(10.0)
    assert explained_variance(target + 3.0, target) == pytest.approx(1.0)
    assert explained_variance(torch.zeros(10), target) == pytest.approx(0.0)
    assert explained_variance(target, torch.ones(10)) == 0.0
