"""Prints the small experiments of docs/lecture.md, exact or with 20 runs each: ``python -m bench.lecture [NAME ...]``."""

import sys
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from bench.finite_mdp import FiniteMDP
from bench.negative_rewards import RUNS, errors, standardized
from mimic.core.errors import InputError, nearest
from mimic.rl.weights import effective_sample_share, exponential, identity, indicator, normalized, positive, uniform

_OPTIMAL = 1e-2  # a value this near the best one counts as optimal
_DIVERGED = 10.0  # distance from the optimum
_MDPS = 30


def negative_rewards() -> None:
    """Plain, centred and exponentiated policy gradients where all rewards are negative."""
    weights: dict[str, Callable[[Tensor], Tensor]] = {
        "PG: w = R": identity,
        "PG: w = R - mean": lambda r: r - r.mean(1, keepdim=True),
        "exponentiated: w = exp(R)": lambda r: r.exp(),
        "exponentiated: w = exp(standardised R)": lambda r: exponential(standardized(r)),
        "CACLA: w = 1[R > mean]": lambda r: indicator(standardized(r)),
    }
    print(f"| weight | {' | '.join(f'offset {c}' for c in (0, 10, 100))} |")
    for name, weight_of in weights.items():
        found = [errors(weight_of, offset) for offset in (0.0, 10.0, 100.0)]
        cells = [f"{int((e > _DIVERGED).sum())} of {RUNS} diverge, median error {float(e.median()):.3g}" for e in found]
        print(f"| {name} | {' | '.join(cells)} |")


def one_iteration() -> None:
    """How often one weighted regression on a policy's data gives an optimal policy, and how many regressions it takes."""
    print(
        "| temperature of the behaviour | gap before | gap after one | one is optimal | iterations until all are optimal |"
    )
    for temperature in (0.02, 0.1, 0.3, 1.0, 3.0):
        before, after, needed = [], [], []
        for seed in range(_MDPS):
            mdp = FiniteMDP(seed)
            best, policy = mdp.best(), mdp.behaviour(temperature)
            gaps = [_gap(best, mdp.value_of(policy))]
            while gaps[-1] >= _OPTIMAL:
                policy = mdp.regress(policy)
                gaps.append(_gap(best, mdp.value_of(policy)))
            before.append(gaps[0])
            after.append(gaps[min(1, len(gaps) - 1)])
            needed.append(len(gaps) - 1)
        enough = sum(count <= 1 for count in needed)
        gaps_shown = f"{sum(before) / _MDPS:.3g} | {sum(after) / _MDPS:.2g}"
        print(f"| {temperature:g} | {gaps_shown} | {enough} of {_MDPS} | {max(needed)} |")


def lawer() -> None:
    """How far LAWER's values are below the optimal ones, for several inverse temperatures tau."""
    print("| tau | largest V* - V over 10 processes |")
    for tau in (1.0, 4.0, 16.0, 64.0, 256.0):
        gaps = [float((mdp.best() - mdp.lawer(tau)).max()) for mdp in map(FiniteMDP, range(10))]
        print(f"| {tau:g} | {max(gaps):.2g} |")


def exponential_and_filter() -> None:
    """How far one weighted regression moves a Gaussian policy on r = -(a - m)^2, with m one or three std from its mean."""
    action = torch.randn(400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    functions: dict[str, Callable[[Tensor], Tensor]] = {
        "cloning: 1": uniform,
        "filter: 1[A > 0]": indicator,
        "(A)+": positive,
        **{f"exp(A / {t:g}), up to 20": partial(exponential, temperature=t) for t in (5.0, 2.0, 1.0, 0.5)},
        "exp(A / 0.5), no bound": lambda a: exponential(a, 0.5, 1e300),
    }
    print(
        "| weight | optimum 1 std away: mean moves | std becomes | 3 std away | std becomes | effective samples there |"
    )
    for name, function in functions.items():
        cells, share = [], 0.0
        for optimum in (1.0, 3.0):
            reward = -(action - optimum).square()
            weight = normalized(function((reward - reward.mean()) / reward.std()))
            share = effective_sample_share(weight)
            mean = (weight * action).mean()
            spread = (weight * (action - mean).square()).mean().sqrt()
            cells += [f"{float(mean):.2f} std", f"{float(spread):.2f}"]
        print(f"| {name} | {' | '.join(cells)} | {share:.2f} |")


def _gap(best: Tensor, value: Tensor) -> float:
    return float((best - value).max())


EXPERIMENTS: dict[str, Callable[[], None]] = {
    each.__name__.replace("_", "-"): each for each in (negative_rewards, one_iteration, lawer, exponential_and_filter)
}


def main(names: Sequence[str]) -> int:
    """Print the experiments ``names``, or all if ``names`` is empty; return the exit code 0."""
    for name in names or EXPERIMENTS:
        if name not in EXPERIMENTS:
            raise InputError(f"no experiment '{name}'; {nearest(name, EXPERIMENTS)}")
        print(f"\n{EXPERIMENTS[name].__doc__}\n")
        EXPERIMENTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
