import pytest
import torch

from mimic.rl.normalizer import RunningNormalizer


def _samples(count: int = 500) -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    return torch.randn(count, 4, generator=rng) * torch.tensor([1.0, 20.0, 1e-3, 3.0]) + torch.tensor(
        [0.0, 1e3, 5.0, -2.0]
    )


@pytest.mark.parametrize("cuts", [[500], [1, 499], [250, 250], [7, 100, 3, 390], [100] * 5])
def test_any_cutting_gives_the_moments_of_the_whole(cuts):
    data = _samples()
    normalizer = RunningNormalizer(4)
    for piece in data.split(cuts):
        normalizer.update(piece)
    whole = data.double()
    torch.testing.assert_close(normalizer.mean, whole.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(normalizer.m2 / 500, whole.var(0, unbiased=False), rtol=1e-9, atol=0)
    assert float(normalizer.count) == 500


def test_output_has_mean_zero_and_std_one_above_the_floor():
    data = _samples()
    normalizer = RunningNormalizer(4, std_floor=0.01)
    normalizer.update(data)
    out = normalizer(data)
    torch.testing.assert_close(out.mean(0), torch.zeros(4), atol=2e-3, rtol=0)
    torch.testing.assert_close(out.std(0)[[0, 1, 3]], torch.ones(3), atol=2e-3, rtol=0)
    assert float(out.std(0)[2]) == pytest.approx(1e-3 / 0.01, rel=0.1)


def test_identity_before_the_first_sample_and_for_passthrough_entries():
    data = _samples()
    fresh = RunningNormalizer(4)
    assert torch.equal(fresh(data), data)
    masked = RunningNormalizer(4, passthrough=torch.tensor([False, True, False, False]), clip=2.0)
    masked.update(data)
    assert torch.equal(masked(data)[:, 1], data[:, 1])
    assert float(masked(data)[:, 0].abs().max()) == 2.0


def test_frozen_after_max_samples():
    normalizer = RunningNormalizer(4, max_samples=100)
    normalizer.update(_samples(60))
    normalizer.update(_samples(60))
    frozen = normalizer.mean.clone()
    normalizer.update(_samples(60) + 100.0)
    assert torch.equal(normalizer.mean, frozen)
    assert float(normalizer.count) == 120


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_a_non_finite_sample_is_refused_and_changes_nothing(bad):
    normalizer = RunningNormalizer(4)
    normalizer.update(_samples())
    before = {k: v.clone() for k, v in normalizer.state_dict().items()}
    broken = _samples(3)
    broken[1, 2] = bad
    with pytest.raises(ValueError, match="not finite"):
        normalizer.update(broken)
    assert all(torch.equal(before[k], v) for k, v in normalizer.state_dict().items())


def test_state_round_trip():
    one, other = RunningNormalizer(4, clip=3.0), RunningNormalizer(4, clip=3.0)
    one.update(_samples())
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(_samples(9)), other(_samples(9)))
    one.update(_samples(10))
    other.update(_samples(10))
    assert torch.equal(one.m2, other.m2)


def test_no_samples_are_no_update():
    normalizer = RunningNormalizer(4)
    normalizer.update(torch.zeros(0, 4))
    assert float(normalizer.count) == 0
