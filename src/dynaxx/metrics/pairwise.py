"""A U-statistic of order two as the matrix of its kernel: means over pairs, their differences, and their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.metrics.interval import CONFIDENCE, Estimate, Interval
from dynaxx.signal.device import double

LEAST = 4
"""The variance is estimated from quadruples of different samples."""
FULL_LEAN = 5.0
"""The lean from which an interval has the jackknife's full width on its long side; by coverage on Gaussian sets."""


@final
@dataclass(frozen=True)
class Pairwise:
    """The mean of `h(i, j)` over all pairs i != j of n independent samples, h symmetric: `(n, n)` float64.

    What is measured on the same samples may be added, subtracted and scaled; the result knows how its parts
    move together, so that the interval of a difference is a paired one.
    """

    h: Tensor

    def __post_init__(self) -> None:
        n = len(self.h)
        if self.h.shape != (n, n) or n < LEAST:
            shape = tuple(self.h.shape)
            raise UsageError("pairwise", f"expects (n, n) with n of at least {LEAST}, but got {shape}.")
        object.__setattr__(self, "h", double(self.h).clone().fill_diagonal_(0.0))

    @property
    def n(self) -> int:
        """How many samples."""
        return len(self.h)

    @cached_property
    def rows(self) -> Tensor:
        """`sum_j h(i, j)`, float64 `(n,)`."""
        return self.h.sum(dim=1)

    @cached_property
    def value(self) -> float:
        """The mean over pairs: unbiased."""
        return float(self.rows.sum()) / (self.n * (self.n - 1))

    @cached_property
    def leave_one_out(self) -> Tensor:
        """The value without sample i, for every i, from the row sums: `(n,)`."""
        return (self.rows.sum() - 2 * self.rows) / ((self.n - 1) * (self.n - 2))

    def __add__(self, other: Pairwise) -> Pairwise:
        _same(self, other)
        return Pairwise(self.h + other.h)

    def __sub__(self, other: Pairwise) -> Pairwise:
        _same(self, other)
        return Pairwise(self.h - other.h)

    def __mul__(self, factor: float) -> Pairwise:
        return Pairwise(self.h * factor)

    __rmul__ = __mul__

    @cached_property
    def variance(self) -> float:
        """The variance of `value`: unbiased, but never below half the jackknife's.

        The jackknife's is right where the first-order term leads, and twice too large where it vanishes (two sets of
        one kind); so half of it is a floor in both cases.
        """
        return max(unbiased_covariance(self, self), jackknife_covariance(self, self) / 2)

    @cached_property
    def lean(self) -> float:
        """The plug-in skewness of `value`, from its parts of first and second order (Hoeffding's split).

        Its sign says on which side the long tail lies; its size is right where the first order leads, and about four
        times too large where it vanishes, as the noise of that part then counts too.
        """
        n = self.n
        first = (self.rows / (n - 1) - self.value) * (n - 1) / (n - 2)
        second = (self.h - self.value - first[:, None] - first[None, :]).fill_diagonal_(0.0)
        alone = 8 / n**3 * float(first.pow(3).sum())
        mixed = 24 / (n**3 * (n - 1)) * float(first @ second @ first)
        triples = 8 / (n * (n - 1)) ** 3 * float(((second @ second) * second).sum())
        return (alone + mixed + triples) / self.variance**1.5 if self.variance else 0.0

    @property
    def estimate(self) -> Estimate:
        """The value with its variance, widened towards the jackknife's on the side of the long tail.

        Of sets of nearly one kind, a low estimate comes with a low variance, so that an even interval would end below
        the truth too often.
        """
        excess = max(0.0, jackknife_covariance(self, self) - self.variance)
        long = self.variance + excess * min(1.0, abs(self.lean) / FULL_LEAN)
        low, high = (self.variance, long) if self.lean > 0 else (long, self.variance)
        return Estimate(self.value, low, self.n, high)

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """The interval of the value."""
        return self.estimate.interval(confidence)


def jackknife_covariance(a: Pairwise, b: Pairwise) -> float:
    """`(n - 1) / n sum_i (a_-i - mean) (b_-i - mean)` of the leave-one-out values (Efron and Stein 1981)."""
    _same(a, b)
    left, right = a.leave_one_out - a.leave_one_out.mean(), b.leave_one_out - b.leave_one_out.mean()
    return (a.n - 1) / a.n * float(left @ right)


def unbiased_covariance(a: Pairwise, b: Pairwise) -> float:
    """`a b` less an unbiased estimate of the product of their expectations: the mean over disjoint pairs of pairs.

    `sum over different i j k l of a_ij b_kl = S_a S_b - 4 sum_i a_i b_i + 2 sum_ij a_ij b_ij`, from sums S, a_i over
    all pairs and over rows (the variance of Sutherland, arXiv 1906.02104, for any kernel).
    """
    _same(a, b)
    n = a.n
    crossed = float(a.rows.sum() * b.rows.sum() - 4 * (a.rows @ b.rows) + 2 * (a.h * b.h).sum())
    return a.value * b.value - crossed / (n * (n - 1) * (n - 2) * (n - 3))


def _same(a: Pairwise, b: Pairwise) -> None:
    if a.n != b.n:
        problem = f"cannot be measured together: {a.n} samples and {b.n}."
        raise UsageError("distances", problem, "Draw equally many.")
