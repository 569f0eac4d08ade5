"""The interval of a ratio of two measurements, also where the denominator is hardly different from zero."""

from __future__ import annotations

import math

from dynaxx.metrics.interval import CONFIDENCE, Interval
from dynaxx.metrics.pairwise import Pairwise, jackknife_covariance, unbiased_covariance
from dynaxx.metrics.student import t_quantile


def ratio(top: Pairwise, bottom: Pairwise, confidence: float = CONFIDENCE) -> Interval:
    """`top / bottom`, measured on the same samples, with Fieller's interval (1954).

    It holds every r for which `top - r bottom` does not differ from 0, by the variance that such a difference has:
    the unbiased one, or half the jackknife's where that is more. Where the denominator itself does not differ from 0,
    no finite interval can cover with the chance that is asked for, and both ends are infinite.
    """
    value = top.value / bottom.value if bottom.value else math.nan
    pairs = ((top, top), (top, bottom), (bottom, bottom))
    unbiased = [unbiased_covariance(a, b) for a, b in pairs]
    floor = [jackknife_covariance(a, b) / 2 for a, b in pairs]
    found = [
        fieller(top.value, bottom.value, (aa, ab, bb), n=top.n, confidence=confidence)
        for aa, ab, bb in (unbiased, floor)
    ]
    return Interval(value, min(f.low for f in found), max(f.high for f in found), top.n, confidence)


def fieller(
    top: float, bottom: float, covariance: tuple[float, float, float], *, n: int, confidence: float = CONFIDENCE
) -> Interval:
    """Fieller's interval for `top / bottom` from the covariances (top top, top bottom, bottom bottom)."""
    aa, ab, bb = covariance
    t2 = t_quantile(confidence, n - 1) ** 2
    value = top / bottom if bottom else math.nan
    # (top - r bottom)^2 <= t2 (aa - 2 r ab + r^2 bb), a quadratic in r
    square, middle, constant = bottom**2 - t2 * bb, top * bottom - t2 * ab, top**2 - t2 * aa
    spread = middle**2 - square * constant
    if square <= 0 or spread < 0:
        return Interval(value, -math.inf, math.inf, n, confidence)
    half = math.sqrt(spread)
    return Interval(value, (middle - half) / square, (middle + half) / square, n, confidence)
