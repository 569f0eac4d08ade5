"""MMD^2 against torchmetrics and numpy; unbiased, also where samples come in pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.metrics.gaussian_sets import normal, true_mmd2
from torchmetrics.image.kid import poly_mmd

from dynaxx.errors import UsageError
from dynaxx.metrics.kernels import Gaussian, Linear, Polynomial, squared_distances
from dynaxx.metrics.mmd import mmd2


def test_the_polynomial_one_is_torchmetrics_but_for_pairs_of_one_index() -> None:
    """The cross term there also has i = j; the rest is the same."""
    a, b, n = normal(20, 6, seed=0) + 0.3, normal(20, 6, seed=1), 20
    cross = Polynomial()(a, b)
    without = 2 * float(cross.sum() - cross.diagonal().sum()) / (n * (n - 1))
    theirs = float(poly_mmd(a, b)) + 2 * float(cross.mean())
    assert mmd2(a, b, Polynomial()).value == pytest.approx(theirs - without, rel=1e-10)


def test_the_gaussian_one_is_written_out() -> None:
    a, b = normal(7, 3, seed=0).numpy(), normal(7, 3, seed=1).numpy()
    k = lambda x, y: np.exp(-np.sum((x - y) ** 2) / (2 * 1.5**2))  # noqa: E731
    terms = [
        k(a[i], a[j]) + k(b[i], b[j]) - k(a[i], b[j]) - k(a[j], b[i]) for i in range(7) for j in range(7) if i != j
    ]
    assert mmd2(torch.tensor(a), torch.tensor(b), Gaussian(1.5)).value == pytest.approx(np.mean(terms), rel=1e-10)


@pytest.mark.parametrize("tied", [0.0, 0.9, 1.0])
def test_unbiased_whether_pairs_are_tied_or_not(tied: float) -> None:
    """b_i may be what a_i was made from, up to being the same."""
    d, shift2, values = 8, 0.5, []
    generator = torch.Generator().manual_seed(1)
    for _ in range(800):
        a, e = (torch.randn(24, d, dtype=torch.float64, generator=generator) for _ in range(2))
        b = tied * a + (1 - tied**2) ** 0.5 * e
        values.append(mmd2(a + (shift2 / d) ** 0.5, b, Gaussian(3.0)).value)
    truth, error = true_mmd2(d, 3.0, var=1.0, shift2=shift2), np.std(values) / len(values) ** 0.5
    assert abs(np.mean(values) - truth) < 3 * error


def test_a_linear_kernel_gives_the_distance_of_means() -> None:
    a, b = normal(400, 2, seed=0) + 1.0, normal(400, 2, seed=1)
    assert not mmd2(a, b, Linear()).interval(0.999).excludes(2.0)


def test_the_median_heuristic_belongs_to_the_reference() -> None:
    reference = normal(50, 3, seed=0)
    distances = squared_distances(reference, reference)[*torch.triu_indices(50, 50, offset=1)]
    assert 2 * Gaussian.of(reference).width ** 2 == pytest.approx(float(distances.median()))


@pytest.mark.parametrize("kernel", [Gaussian(4.0), Polynomial()])
def test_it_rises_with_the_shift(kernel) -> None:
    x, y = normal(128, 8, seed=0), normal(128, 8, seed=1)
    values = [mmd2(x + shift, y, kernel).value for shift in (0.2, 0.4, 0.8, 1.6)]
    assert values == sorted(values)


def test_unequal_sets_and_references_without_variety_are_refused() -> None:
    with pytest.raises(UsageError, match=r"equal size.*Draw as many"):
        mmd2(normal(8, 3, seed=0), normal(9, 3, seed=0), Linear())
    with pytest.raises(UsageError, match="mostly equal"):
        Gaussian.of(torch.zeros(8, 3))
