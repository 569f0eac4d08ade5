"""Means, differences and ratios of what was measured on each sample, with their intervals."""

from __future__ import annotations

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.metrics.interval import CONFIDENCE, Estimate, Interval
from dynaxx.metrics.ratio import fieller
from dynaxx.signal.device import double


def mean_of(values: Tensor) -> Estimate:
    """The mean of n independent numbers `(n,)`."""
    checked = _numbers(values)
    return Estimate(float(checked.mean()), float(checked.var()) / len(checked), len(checked))


def mean_difference(a: Tensor, b: Tensor) -> Estimate:
    """The mean of `a_i - b_i`, with the variance of the differences: what both share cancels."""
    _paired(a, b)
    return mean_of(double(a) - double(b))


def ratio_of_means(top: Tensor, bottom: Tensor, confidence: float = CONFIDENCE) -> Interval:
    """`sum top_i / sum bottom_i` of numbers measured on the same samples, with Fieller's interval."""
    _paired(top, bottom)
    pair = torch.stack([_numbers(top), _numbers(bottom)])
    covariance = (pair.cov() / pair.shape[1]).tolist()
    means = pair.mean(dim=1).tolist()
    spread = (covariance[0][0], covariance[0][1], covariance[1][1])
    return fieller(means[0], means[1], spread, n=pair.shape[1], confidence=confidence)


def _numbers(values: Tensor) -> Tensor:
    if values.ndim != 1 or len(values) < 2:
        got = f"expects a number for each of at least 2 samples, but got shape {tuple(values.shape)}."
        raise UsageError("mean", got, "Measure more samples.")
    return double(values)


def _paired(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        problem = f"expects as many numbers on both sides, but got {tuple(a.shape)} and {tuple(b.shape)}."
        raise UsageError("paired measurement", problem, "Measure both on the same samples.")
