"""What the sum of operations still gets wrong of a network, told from the networks that are like it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from dynaxx.plan.time.features import Point
from dynaxx.plan.time.interval import LEAST_SPREAD
from dynaxx.plan.time.surface import Numbers, likeness

FEW = 30
"""Fewer networks than this tell too little of each other: their residuals are all taken for noise."""
REACHES = np.array([1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.5, 1.5])
"""How far one network tells of others, along each of its coordinates."""
NOISES = tuple(i / 10 for i in range(1, 11))
"""Shares of the spread, squared, that no coordinate explains: the likeliest is taken."""


def coordinates(sums: Sequence[float], shares: Sequence[float], batch: int, size: tuple[int, ...]) -> Point:
    """Where a network lies; none of it depends on the number of steps.

    Logarithms of the seconds per call and of the batch; the shares of the time of torch's own convolutions, attention,
    what moves bytes, and calls; the number of axes; logarithms of sites and of parameters.
    """
    parts = [share * part for share, part in zip(shares, sums, strict=True)]
    total, (calls, parameters) = max(sum(parts), 1e-12), sums[4:]
    where = [math.log(total / max(calls, 1.0)), math.log(batch), *(part / total for part in parts[1:5])]
    return *where, float(len(size)), math.log(math.prod(size)), math.log(max(parameters, 1.0))


@final
@dataclass(frozen=True)
class Residual:
    """ln(real / told) as a Gaussian process over networks, of the spread S that they have without it.

        shift = k' K^-1 r,    spread^2 = S^2 (1 - w) (1 - k' K^-1 k) + S^2 w + drift^2, and S^2 at most

    K, of covariances over S^2, has w on its diagonal besides the likeness, 1 - w of which is explained. w is the one of
    `NOISES` under which networks left out are likeliest. Drift is what a machine changes by after its calibration.
    Far from all networks there is no shift, and the spread is S. (Rasmussen and Williams 2006, eq. 2.25, 2.26; leaving
    one out: eq. 5.10 to 5.12.)
    """

    points: Numbers
    rests: Numbers
    spread: float

    @classmethod
    def of(cls, points: Sequence[Point], rests: Sequence[float], spread: float) -> Residual:
        """The residuals of networks, `(n,)`, at their coordinates, `(n, 9)`."""
        return cls(np.array(points, dtype=np.float64), np.array(rests, dtype=np.float64), spread)

    def at(self, point: Point) -> tuple[float, float]:
        """What is added to the logarithm of the time told, and its standard deviation."""
        weight, inverse = self._process
        near = (1 - weight) * likeness(np.array([point]) / REACHES, self.points / REACHES)[0]
        left = 1 - weight - near @ inverse @ near + weight
        spread = math.sqrt(max(left, 0.0) * self.spread**2 + LEAST_SPREAD**2)
        return float(near @ inverse @ self.rests), min(spread, self.spread)

    @cached_property
    def _process(self) -> tuple[float, Numbers]:
        """The share of noise, and the inverse of K."""
        alike, one = likeness(self.points / REACHES, self.points / REACHES), np.eye(len(self.points))
        found = [
            (weight, np.asarray(np.linalg.inv((1 - weight) * alike + weight * one), dtype=np.float64))
            for weight in NOISES
        ]
        return max(found, key=lambda each: self._log_density(each[1]))

    def _log_density(self, inverse: Numbers) -> float:
        """Of every network, told from the others."""
        variance = self.spread**2 / np.diag(inverse)
        missed = inverse @ self.rests / np.diag(inverse)
        return float(-0.5 * (np.log(variance) + missed**2 / variance).sum())

    def to_json(self) -> dict[str, Any]:
        """The residuals as plain data."""
        return {"points": self.points.tolist(), "rests": self.rests.tolist(), "spread": self.spread}
