"""Student's t in closed form, for intervals from few samples: no library is needed for it."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

NEARLY_NORMAL = 2000
"""Degrees of freedom from which the quantile is the normal one with its first two corrections (error below 1e-9)."""


def t_within(t: float, df: int) -> float:
    """The chance that |T| <= |t|, T of `df` >= 1 degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    angle = math.atan2(abs(t), math.sqrt(df))
    sine, square = math.sin(angle), math.cos(angle) ** 2
    if df % 2 == 0:
        return sine * _series(square, 1, df // 2)
    odd = math.cos(angle) * _series(square, 2, (df - 1) // 2)
    return 2 / math.pi * (angle + (sine * odd if df > 1 else 0.0))


def _series(square: float, first: int, terms: int) -> float:
    """1 + (first / (first + 1)) square + (first (first + 2) / ((first + 1) (first + 3))) square^2 + ..."""
    total, term = 0.0, 1.0
    for i in range(terms):
        total += term
        term *= square * (first + 2 * i) / (first + 2 * i + 1)
    return total


@lru_cache(maxsize=256)
def t_quantile(confidence: float, df: int) -> float:
    """The t with P(|T| <= t) = confidence, for confidence in (0, 1)."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    expanded = z + (z**3 + z) / (4 * df) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * df**2)
    if df >= NEARLY_NORMAL:
        return expanded
    low, high = 0.0, max(expanded, 1.0)
    while t_within(high, df) < confidence:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if t_within(middle, df) < confidence else (low, middle)
    return high
