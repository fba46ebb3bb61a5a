"""Heads against torch.distributions, against the policy's own arithmetic, and their regression against its definition."""

import pytest
import torch
from torch.distributions import Categorical, Independent, Normal, kl_divergence

from mimic.rl.distributed import DistributedContext
from mimic.rl.heads import CategoricalHead, GaussianHead, Head, LearnedGaussianHead, control_variate_target
from mimic.rl.policy import Policy, PolicyConfig
from mimic.rl.seeds import generator


def _given() -> GaussianHead:
    head = GaussianHead(3)
    head.set_std(torch.tensor([0.4, 0.1, 2.0]))
    return head


HEADS = {"given": _given, "learned": lambda: LearnedGaussianHead(3, 0.4), "choices": lambda: CategoricalHead(4)}


@pytest.fixture(params=HEADS)
def head(request) -> Head:
    return HEADS[request.param]().double()


def _outputs(head, rows=7, seed=0):
    return torch.randn(rows, head.outputs, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _torch_of(head, params):
    if isinstance(head, CategoricalHead):
        return Categorical(logits=params)
    std = head.std if isinstance(head, GaussianHead) else params[:, 3:]
    return Independent(Normal(params[:, :3], std.to(params.dtype)), 1)


def test_densities_entropies_and_divergences_equal_torch_distributions(head):
    params, other = head.params(_outputs(head)), head.params(_outputs(head, seed=1))
    action = head.sample(params, torch.Generator().manual_seed(2))
    assert (params.shape[1], action.shape[1]) == (head.width, head.act_dim)
    mine, theirs = _torch_of(head, params), _torch_of(head, other)
    taken = action.squeeze(-1) if isinstance(head, CategoricalHead) else action
    torch.testing.assert_close(head.log_prob(action, params), mine.log_prob(taken))
    torch.testing.assert_close(head.entropy(params), mine.entropy())
    torch.testing.assert_close(head.kl(params, other), kl_divergence(mine, theirs))


def test_a_learned_std_enters_the_divergence():
    narrow, wide = LearnedGaussianHead(2, 0.2), LearnedGaussianHead(2, 0.7)
    output = torch.randn(5, 2, generator=torch.Generator().manual_seed(0))
    p, q = narrow.params(output), wide.params(output)
    expected = kl_divergence(Normal(output, 0.2), Normal(output, 0.7)).sum(-1)
    torch.testing.assert_close(narrow.kl(p, q), expected)


def test_samples_have_the_expected_statistic(head):
    params = head.params(_outputs(head, 1)).repeat(200_000, 1)
    action = head.sample(params, torch.Generator().manual_seed(3))
    statistic, expected = head.statistic(action), head.expectation(params)[0]
    assert statistic.shape[1] == head.statistic_dim
    error = (statistic.mean(0) - expected).abs() / statistic.std(0)
    assert error.max() < 5.0 / 200_000**0.5


def test_the_mode_is_the_most_probable_action(head):
    params = head.params(_outputs(head, 1000))
    drawn = head.sample(params, torch.Generator().manual_seed(4))
    assert (head.log_prob(head.mode(params), params) >= head.log_prob(drawn, params)).all()


def test_regression_on_the_action_taken_is_weighted_maximum_likelihood(head):
    output = _outputs(head).requires_grad_()
    action = head.sample(head.params(output).detach(), torch.Generator().manual_seed(5))
    weight = torch.rand(7, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    learned = [output, *head.parameters()]
    loss = head.regression(head.params(output), weight, head.statistic(action))
    likelihood = -(weight * head.log_prob(action, head.params(output))).mean()
    for mine, expected in zip(
        torch.autograd.grad(loss, learned), torch.autograd.grad(likelihood, learned), strict=True
    ):
        torch.testing.assert_close(mine, expected)


def test_regression_on_a_control_variate_target_is_the_difference_of_two_regressions(head):
    output = _outputs(head).requires_grad_()
    anchor = head.expectation(head.params(_outputs(head, seed=1))).detach()
    action = head.sample(head.params(output).detach(), torch.Generator().manual_seed(5))
    weight = torch.rand(7, generator=torch.Generator().manual_seed(6), dtype=torch.float64) + 0.1
    average, learned = weight.mean(), [output, *head.parameters()]
    params, statistic = head.params(output), head.statistic(action)
    shifted = head.regression(params, weight, control_variate_target(statistic, anchor, weight, average))
    two = head.regression(params, weight - average, statistic) + head.regression(params, average.expand(7), anchor)
    for mine, expected in zip(
        torch.autograd.grad(shifted, learned, retain_graph=True), torch.autograd.grad(two, learned), strict=True
    ):
        torch.testing.assert_close(mine, expected)


def test_processes_share_one_draw(head):
    params = head.params(_outputs(head, 6))
    whole = head.sample(params, torch.Generator().manual_seed(7))
    shares = [
        head.sample(params[3 * r : 3 * r + 3], torch.Generator().manual_seed(7), DistributedContext(r, 2))
        for r in (0, 1)
    ]
    assert torch.equal(torch.cat(shares), whole)


def test_the_gaussian_head_is_the_policy_to_the_bit():
    policy = Policy(5, 3, PolicyConfig(actor_sizes=(16,)), generator(0, "networks"))
    head = GaussianHead(3)
    for each in (policy, head):
        each.set_std(0.3)
    obs = torch.randn(9, 5, generator=torch.Generator().manual_seed(0))
    action, mean = policy.sample(obs, torch.Generator().manual_seed(1))
    assert torch.equal(head.sample(head.params(mean), torch.Generator().manual_seed(1)), action)
    assert torch.equal(head.log_prob(action, mean), policy.log_prob(action, mean))


def test_a_learned_std_reaches_its_floor_and_not_below():
    head = LearnedGaussianHead(1, 0.4, floor=0.05)
    optimizer = torch.optim.SGD(head.parameters(), lr=0.5)
    for _ in range(300):  # the action is always the mean: the likeliest std is 0
        optimizer.zero_grad()
        head.regression(head.params(torch.zeros(4, 1)), torch.ones(4), torch.zeros(4, 2)).backward()
        optimizer.step()
    assert 0.05 < float(head.std.detach()) < 0.06


def test_sizes_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="at least 2 of them, found"):
        CategoricalHead(1)
    for start, floor in ((0.1, 0.1), (0.1, 0.0)):
        with pytest.raises(ValueError, match="above the floor"):
            LearnedGaussianHead(2, start, floor)
