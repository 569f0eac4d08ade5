"""The Frechet distance between two sets, with what the number of samples adds to it taken off again."""

from __future__ import annotations

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.metrics.interval import Estimate
from dynaxx.signal.device import double

SIZES = 5
GROUPS = 10


def frechet_of(mean_a: Tensor, covariance_a: Tensor, mean_b: Tensor, covariance_b: Tensor) -> float:
    """`|m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2))` of two Gaussians (Dowson and Landau 1982)."""
    root = _root(double(covariance_a))
    cross = torch.linalg.eigvalsh(root @ double(covariance_b) @ root).clamp(min=0).sqrt().sum()
    means = (double(mean_a) - double(mean_b)).square().sum()
    return float(means + double(covariance_a).trace() + double(covariance_b).trace() - 2 * cross)


def frechet(a: Tensor, b: Tensor) -> float:
    """The Frechet distance of two sets of features `(n, D)` as FID has it: too large by about a constant over n."""
    _check(a, b)
    a, b = double(a), double(b)
    centred_a, centred_b = a - a.mean(dim=0), b - b.mean(dim=0)
    if a.shape[1] < len(a):
        return frechet_of(a.mean(dim=0), centred_a.T.cov(), b.mean(dim=0), centred_b.T.cov())
    # tr (C_a C_b)^(1/2) is the sum of singular values of A B^T: n by n, whatever the number of features
    cross = torch.linalg.svdvals(centred_a @ centred_b.T).sum()
    spread = centred_a.square().sum() + centred_b.square().sum() - 2 * cross
    return float((a.mean(dim=0) - b.mean(dim=0)).square().sum() + spread / (len(a) - 1))


def frechet_debiased(a: Tensor, b: Tensor) -> Estimate:
    """The Frechet distance at infinitely many samples: a line in 1/n through subsets, read at 0 (arXiv 1911.07023).

    Five sizes from n / 2 to n, each the mean over disjoint or turning subsets of the sample order; the variance is a
    jackknife over ten groups of pairs (a_i, b_i). The line holds where n is several times the number of features:
    project on few directions first (`principal`).

    Raises:
        UsageError: for sets of different size, or fewer than twice as many samples as features.
    """
    _check(a, b)
    n, d = a.shape
    if n < max(2 * d, 2 * GROUPS):
        problem = f"needs at least {max(2 * d, 2 * GROUPS)} samples for {d} features, but got {n}."
        raise UsageError("Frechet distance", problem, "Draw more, or project the features on fewer directions.")
    group = torch.arange(n, device=a.device) % GROUPS
    without = torch.tensor([_extrapolated(a[group != g], b[group != g]) for g in range(GROUPS)], dtype=torch.float64)
    variance = (GROUPS - 1) / GROUPS * float((without - without.mean()).square().sum())
    return Estimate(_extrapolated(a, b), variance, GROUPS)


def principal(reference: Tensor, count: int) -> Tensor:
    """The `count` leading directions of features `(n, D)`, scaled so that each has variance 1: `(D, count)`.

    They belong to the reference: `features @ principal(reference, 16)` for it and for all that is held against it.
    """
    centred = double(reference) - double(reference).mean(dim=0)
    _, values, directions = torch.linalg.svd(centred, full_matrices=False)
    count = min(count, int((values > 1e-9 * values[0]).sum()))
    return directions[:count].T / values[:count] * (len(reference) - 1) ** 0.5


def _extrapolated(a: Tensor, b: Tensor) -> float:
    n = len(a)
    sizes = sorted({round(n * (1 + i / (SIZES - 1)) / 2) for i in range(SIZES)})
    at = torch.tensor([1 / size for size in sizes], dtype=torch.float64)
    values = torch.tensor([_mean_over_parts(a, b, size) for size in sizes], dtype=torch.float64)
    slope = ((at - at.mean()) * values).sum() / (at - at.mean()).square().sum()
    return float(values.mean() - slope * at.mean())


def _mean_over_parts(a: Tensor, b: Tensor, size: int) -> float:
    """The mean over windows of `size` samples, the order taken as a ring."""
    n = len(a)
    starts = [0] if size == n else [i * n // 4 for i in range(4)]
    windows = [(torch.arange(size, device=a.device) + start) % n for start in starts]
    return sum(frechet(a[window], b[window]) for window in windows) / len(windows)


def _root(covariance: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def _check(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape or a.ndim != 2 or len(a) < 2:
        got = f"expects two sets of equal size, (n, D) each, but got {tuple(a.shape)} and {tuple(b.shape)}."
        raise UsageError("distance", got, "Draw as many samples as there are in the reference, or use a part of it.")
