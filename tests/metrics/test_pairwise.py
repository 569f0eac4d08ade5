"""Means over pairs: against sums written out, and 95% intervals that cover in 95% of repetitions."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
import torch
from tests.metrics.gaussian_sets import normal, true_mmd2

from dynaxx.errors import UsageError
from dynaxx.metrics.kernels import Gaussian, Polynomial
from dynaxx.metrics.mmd import mmd2
from dynaxx.metrics.pairwise import Pairwise, jackknife_covariance, unbiased_covariance
from dynaxx.metrics.ratio import ratio

REPETITIONS = 1000


def some(n: int, seed: int) -> Pairwise:
    h = normal(n, n, seed=seed)
    return Pairwise(h + h.T)


def test_leaving_one_out_is_measuring_again_without_it() -> None:
    pairs = some(9, 0)
    for i in range(9):
        rest = [j for j in range(9) if j != i]
        assert Pairwise(pairs.h[rest][:, rest]).value == pytest.approx(float(pairs.leave_one_out[i]), abs=1e-12)


def test_the_unbiased_covariance_is_a_mean_over_disjoint_pairs() -> None:
    a, b = some(7, 1), some(7, 2)
    disjoint = [float(a.h[i, j] * b.h[k, m]) for i, j, k, m in permutations(range(7), 4)]
    assert unbiased_covariance(a, b) == pytest.approx(a.value * b.value - np.mean(disjoint), abs=1e-12)


def test_the_jackknife_is_written_out() -> None:
    a, b = some(8, 3), some(8, 4)
    left, right = a.leave_one_out.numpy(), b.leave_one_out.numpy()
    expected = 7 / 8 * np.sum((left - left.mean()) * (right - right.mean()))
    assert jackknife_covariance(a, b) == pytest.approx(expected, abs=1e-14)


def test_differences_and_multiples_are_those_of_the_values() -> None:
    a, b = some(8, 5), some(8, 6)
    assert (2 * a - b + a * 0.5).value == pytest.approx(2.5 * a.value - b.value, abs=1e-12)


def test_what_both_share_cancels_in_a_difference() -> None:
    y, x = normal(64, 4, seed=0), normal(64, 4, seed=1)
    near, far = mmd2(x + 0.5, y, Gaussian(2.0)), mmd2(x + 0.52, y, Gaussian(2.0))
    apart = math.hypot(near.estimate.std_error(), far.estimate.std_error())
    assert (far - near).estimate.std_error() < 0.2 * apart


def test_the_lean_is_the_skewness_where_the_first_order_leads() -> None:
    """A plain mean of 400 exponential numbers, written over pairs, has skewness 2 / sqrt(400)."""
    values = -normal(50, 400, seed=0).erfc().div(2).log()  # exponential, by their normal quantile
    found = [Pairwise(row[:, None] + row[None, :]).lean for row in values]
    assert float(np.mean(found)) == pytest.approx(0.1, rel=0.2)


def test_the_long_side_of_two_sets_of_one_kind_is_above() -> None:
    pairs = mmd2(normal(64, 4, seed=0), normal(64, 4, seed=1), Gaussian(2.0))
    up, down = pairs.interval(), (-1.0 * pairs).interval()
    assert up.high - up.value > up.value - up.low
    assert (-down.high, -down.low) == pytest.approx((up.low, up.high))


@pytest.mark.parametrize(("var", "shift"), [(1.0, 0.3), (1.3, 0.0)])
def test_intervals_cover(var: float, shift: float) -> None:
    """A shift, or a spread, by 16 features of 64 samples; the truth in closed form."""
    share = coverage(n=64, d=16, var=var, shift=shift)
    assert 0.93 <= share["mmd"] <= 0.97
    assert 0.93 <= share["difference"] <= 0.97


@pytest.mark.slow
@pytest.mark.parametrize("n", [64, 128])
@pytest.mark.parametrize("d", [4, 16, 64])
@pytest.mark.parametrize("shift", [0.0, 0.2, 0.3, 0.6, 1.0])
def test_intervals_cover_everywhere(n: int, d: int, shift: float) -> None:
    """Near shift 0 the sets are of one kind: there it may cover more; with four features it covers a little less."""
    share = coverage(n=n, d=d, var=1.0, shift=shift)
    assert (0.9 if d == 4 else 0.92) <= share["mmd"] <= (0.985 if shift <= 0.2 else 0.975)
    assert 0.93 <= share["difference"] <= 0.97


def coverage(*, n: int, d: int, var: float, shift: float) -> dict[str, float]:
    """How often the interval of an MMD^2, and of its difference to another one, held the truth."""
    kernel = Gaussian(math.sqrt(d))
    truth, other = (true_mmd2(d, kernel.width, var=v, shift2=s**2 * d / 4) for v, s in ((var, shift), (1.5, 0.2)))
    covered = {"mmd": 0, "difference": 0}
    generator = torch.Generator().manual_seed(5)
    for _ in range(REPETITIONS):
        x, y = (torch.randn(n, d, dtype=torch.float64, generator=generator) for _ in range(2))
        a = mmd2(x * math.sqrt(var) + shift / 2, y, kernel)
        b = mmd2(x * math.sqrt(1.5) + 0.1, y, kernel)
        covered["mmd"] += not a.interval().excludes(truth)
        covered["difference"] += not (a - b).interval().excludes(truth - other)
    return {name: count / REPETITIONS for name, count in covered.items()}


def test_intervals_of_ratios_cover() -> None:
    d, n, kernel, covered = 16, 64, Gaussian(4.0), 0
    truth = true_mmd2(d, 4.0, var=1.0, shift2=8.0) / true_mmd2(d, 4.0, var=1.0, shift2=4.0)
    generator = torch.Generator().manual_seed(6)
    for _ in range(REPETITIONS):
        x, y = (torch.randn(n, d, dtype=torch.float64, generator=generator) for _ in range(2))
        top, bottom = (mmd2(x + math.sqrt(shift2 / d), y, kernel) for shift2 in (8.0, 4.0))
        covered += not ratio(top, bottom).excludes(truth)
    assert 0.93 <= covered / REPETITIONS <= 0.97


def test_nothing_bounds_a_ratio_over_nothing() -> None:
    x, y, z = (normal(32, 4, seed=seed) for seed in range(3))
    found = ratio(mmd2(x + 1, y, Gaussian(2.0)), mmd2(z, y, Gaussian(2.0)))
    assert (found.low, found.high) == (-math.inf, math.inf)
    assert found.to_json()["low"] is None


def test_alarms_on_sets_of_one_kind_are_as_rare_as_they_say() -> None:
    p = [mmd2(normal(64, 16, seed=2 * i), normal(64, 16, seed=2 * i + 1), Polynomial()).estimate.p_value()
         for i in range(400)]  # fmt: skip
    assert sum(value <= 0.05 for value in p) <= 0.07 * len(p)


def test_too_few_and_unequal_samples_are_refused() -> None:
    with pytest.raises(UsageError, match=r"at least 4, but got \(3, 3\)"):
        Pairwise(torch.zeros(3, 3))
    with pytest.raises(UsageError, match="8 samples and 9. Draw equally many"):
        some(8, 0) - some(9, 0)
