"""What the sum of operations still gets wrong of a network, told from the networks that are like it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from dynaxx.plan.time.features import Point
from dynaxx.plan.time.kernel import Kernel, chosen
from dynaxx.plan.time.smooth import Numbers

FEW_NETWORKS = 30
"""Fewer networks than this tell too little of each other: their residuals are all taken for noise."""
DRIFT = 0.06
"""By how much the time of the same work differs from process to process, and from hour to hour on a steady machine."""


def coordinates(sums: Sequence[float], shares: Sequence[float], batch: int, size: tuple[int, ...]) -> Point:
    """Where a network lies; none of it depends on the number of steps.

    Logarithms of the seconds per call and of the batch; the shares of the time of torch's own convolutions, attention,
    what moves bytes, and calls; the number of axes; logarithms of sites and of weights per call.
    """
    parts = [share * part for share, part in zip(shares, sums, strict=True)]
    total, (calls, weights) = max(sum(parts), 1e-12), sums[4:]
    each = max(calls, 1.0)
    where = [math.log(total / each), math.log(batch), *(part / total for part in parts[1:5])]
    return *where, float(len(size)), math.log(math.prod(size)), math.log(max(weights / each, 1.0))


PARTS = 5
"""Of a calibration, between which neighbours come and go."""


def drift_of(seen: Sequence[float]) -> float:
    """By how much a machine changes from its calibration to a run: `sqrt(DRIFT^2 + s^2)`.

    s is the standard deviation of ln(seconds) of the same work between parts of the calibration, each told by its
    median: what single timings vary by is in a fit's own spread already, and the calibration as a whole is an average.
    """
    if len(seen) < 2 * PARTS:
        return DRIFT
    middles = [float(np.median(part)) for part in np.array_split(np.log(seen), PARTS)]
    return math.hypot(DRIFT, float(np.std(middles, ddof=1)))


@final
@dataclass(frozen=True)
class Residual:
    """ln(real / told) as a Gaussian process over networks, of the spread S that they have without it.

        shift = k' K^-1 r,    spread^2 = S^2 (1 - k' K^-1 k) + drift^2, and S^2 at most

    K and k are covariances over S^2, by a kernel under which networks left out are likeliest. `drift` is what a machine
    changes by after its calibration. Far from all networks there is no shift, and the spread is S. (Rasmussen and
    Williams 2006, eq. 2.25, 2.26.)
    """

    points: Numbers
    rests: Numbers
    spread: float
    kernel: Kernel
    drift: float = DRIFT

    @classmethod
    def of(cls, points: Sequence[Point], rests: Sequence[float], spread: float, drift: float = DRIFT) -> Residual:
        """The residuals of networks, `(n,)`, at their coordinates, `(n, 9)`."""
        at, off = np.array(points, dtype=np.float64), np.array(rests, dtype=np.float64)
        return cls(at, off, spread, chosen(at, off / spread), drift)

    def at(self, point: Point) -> tuple[float, float]:
        """What is added to the logarithm of the time told, and its standard deviation."""
        near = self.kernel.between(np.array([point]), self.points)[0]
        left = 1 - near @ self._inverse @ near
        spread = math.sqrt(max(left, 0.0) * self.spread**2 + self.drift**2)
        return float(near @ self._inverse @ self.rests), min(spread, self.spread)

    @cached_property
    def _inverse(self) -> Numbers:
        return self.kernel.inverse(self.points)

    def to_json(self) -> dict[str, Any]:
        """The residuals as plain data."""
        own = {"points": self.points.tolist(), "rests": self.rests.tolist(), "spread": self.spread, "drift": self.drift}
        return own | {"kernel": self.kernel.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Residual:
        """The residuals that `to_json` wrote."""
        points, rests = (np.array(data[name], dtype=np.float64) for name in ("points", "rests"))
        kernel = Kernel(tuple(data["kernel"]["reaches"]), data["kernel"]["noise"])
        return cls(points, rests, data["spread"], kernel, data["drift"])
