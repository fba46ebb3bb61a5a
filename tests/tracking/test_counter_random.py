import torch
from scipy import stats

from mimic.tracking.counter_random import counter_uniform

MASK = (1 << 64) - 1


def mixed(z):
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def by_hand(seed, env, episode, stream):
    """SplitMix64 with Python's own integers."""
    state = seed & MASK
    for counter in (env, episode, stream):
        state = mixed((state + (counter + 1) * 0x9E3779B97F4A7C15) & MASK)
    return (state >> 11) * 2.0**-53


def test_counter_uniform_is_splitmix64_of_the_counters():
    envs, episodes = torch.tensor([0, 1, 5, 2**40, 7]), torch.tensor([0, 3, 2**33, 1, 9])
    for seed in (0, 1, -1, 2**62, 2019):
        for stream in (0, 1):
            found = counter_uniform(seed, envs, episodes, stream).tolist()
            assert found == [by_hand(seed, e, k, stream) for e, k in zip(envs.tolist(), episodes.tolist(), strict=True)]


def test_the_first_step_is_the_published_generators():
    # Vigna's splitmix64.c started at 1234567 gives this number first
    assert mixed((1234567 + 0x9E3779B97F4A7C15) & MASK) == 6457827717110365317


def test_a_number_depends_on_its_own_counters_only():
    envs = torch.arange(64)
    all_of_them = counter_uniform(3, envs, 2 * envs)
    for few in ([5], [9, 0], list(range(8))):
        ids = torch.tensor(few)
        assert torch.equal(counter_uniform(3, ids, 2 * ids), all_of_them[ids])


def test_numbers_are_uniform_and_independent_in_every_counter():
    base, zero = torch.arange(20_000), torch.zeros(20_000, dtype=torch.int64)
    samples = [counter_uniform(0, base, zero), counter_uniform(0, zero, base), counter_uniform(0, base, base)]
    samples += [torch.cat([counter_uniform(seed, base[:20], zero[:20]) for seed in range(1000)])]
    for u in samples:
        assert float(u.min()) >= 0.0 and float(u.max()) < 1.0 and u.dtype == torch.float64
        assert stats.kstest(u.numpy(), "uniform").pvalue > 1e-3
        assert abs(float(torch.corrcoef(torch.stack((u[:-1], u[1:])))[0, 1])) < 0.03
    for a in range(3):
        assert abs(float(torch.corrcoef(torch.stack((samples[a], samples[(a + 1) % 3])))[0, 1])) < 0.03


def test_streams_and_seeds_differ():
    base = torch.arange(1000)
    a, b, c = counter_uniform(0, base, base), counter_uniform(1, base, base), counter_uniform(0, base, base, stream=1)
    assert not bool((a == b).any() or (a == c).any() or (b == c).any())
