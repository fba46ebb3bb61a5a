import pytest
import torch
from torch import nn

from mimic.rl.optim import GuardedOptimizer, LearnerDiverged


def _net() -> nn.Linear:
    net = nn.Linear(3, 2)
    with torch.no_grad():
        net.weight.copy_(torch.arange(6.0).view(2, 3) / 10.0)
        net.bias.zero_()
    return net


def _loss(net: nn.Linear) -> torch.Tensor:
    return (net(torch.ones(4, 3)) - 1.0).square().mean()


def _step(guarded: GuardedOptimizer, net: nn.Linear, factor: float = 1.0) -> bool:
    """Whether a step along ``factor`` times the loss was taken."""
    skipped = guarded.skipped
    guarded.step_over([torch.ones(4, 3)], lambda x: factor * (net(x) - 1.0).square().mean().unsqueeze(0))
    return guarded.skipped == skipped


@pytest.mark.parametrize(
    "kind, reference",
    [
        ("adam", lambda p: torch.optim.Adam(p, lr=0.01, foreach=False, fused=False)),
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9, foreach=False, fused=False)),
    ],
)
def test_steps_like_the_plain_optimiser(kind, reference):
    ours, theirs = _net(), _net()
    guarded, plain = GuardedOptimizer(ours.parameters(), kind, 0.01), reference(theirs.parameters())
    for _ in range(10):
        assert _step(guarded, ours)
        plain.zero_grad()
        _loss(theirs).backward()
        plain.step()
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_gradient_norm_is_limited():
    net = _net()
    before = net.weight.detach().clone()
    _step(GuardedOptimizer(net.parameters(), "sgd", 1.0, max_grad_norm=0.1), net, 1e3)
    moved = torch.cat([(net.weight - before).flatten(), net.bias]).norm()
    assert float(moved.detach()) == pytest.approx(0.1, rel=1e-4)


@pytest.mark.parametrize("kind", ["adam", "sgd", "muon"])
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, 1e38])
def test_a_step_into_nonsense_is_skipped_and_changes_nothing(kind, poison):
    net = _net()
    guarded = GuardedOptimizer(net.parameters(), kind, 0.01)
    _step(guarded, net)
    weights, state = net.weight.detach().clone(), {k: v.clone() for k, v in guarded.state_tensors().items()}
    assert not _step(guarded, net, poison * 1e10)
    assert torch.equal(net.weight, weights)
    assert all(torch.equal(v, state[k]) for k, v in guarded.state_tensors().items() if k != "skipped")
    assert guarded.skipped == 1


def test_a_finite_loss_with_a_nan_gradient_is_skipped():
    net = _net()
    guarded = GuardedOptimizer(net.parameters(), "adam", 0.01)
    # sqrt at 0: value 0, slope infinite times 0
    guarded.step_over([torch.ones(4, 3)], lambda x: (net.weight.sum() * 0.0).sqrt().unsqueeze(0))
    assert guarded.skipped == 1
    assert bool(net.weight.isfinite().all())


def test_three_in_a_row_stop_the_run_but_not_three_in_all():
    net = _net()
    guarded = GuardedOptimizer(net.parameters(), "adam", 0.01)
    for _ in range(4):
        _step(guarded, net, torch.nan)
        _step(guarded, net, torch.nan)
        assert _step(guarded, net)
    _step(guarded, net, torch.nan)
    _step(guarded, net, torch.nan)
    with pytest.raises(LearnerDiverged, match="3 updates in a row") as caught:
        _step(guarded, net, torch.nan)
    assert caught.value.exit_code == 3
    assert guarded.skipped == 11


@pytest.mark.parametrize("kind", ["adam", "sgd", "muon"])
@pytest.mark.parametrize("steps", [0, 5])
def test_state_round_trip_goes_on_to_the_bit(kind, steps):
    one = _net()
    first = GuardedOptimizer(one.parameters(), kind, 0.01)
    for _ in range(steps):
        _step(first, one)
    two = _net()
    two.load_state_dict(one.state_dict())
    second = GuardedOptimizer(two.parameters(), kind, 0.01)
    second.load_state_tensors({k: v.clone() for k, v in first.state_tensors().items()})
    for _ in range(5):
        _step(first, one)
        _step(second, two)
    assert torch.equal(one.weight, two.weight)
