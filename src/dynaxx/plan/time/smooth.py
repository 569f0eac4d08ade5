"""A quantity between the points where it was measured, interpolated over logarithms of widths, rows or bytes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
REACH = 2.0
"""How far one probe tells of its neighbours, in natural logarithms: at seven times the width it counts exp(-1/2)."""
SURE = 0.1
"""The standard deviation of a probe's own logarithm."""


@final
@dataclass(frozen=True)
class Smooth:
    """Values `(n,)` at points `(n, d)` as a Gaussian process about their median, which it is far from all of them.

    (Rasmussen and Williams 2006, eq. 2.25.)
    """

    points: Numbers
    values: Numbers

    def at(self, points: Numbers) -> Numbers:
        """The values at other points, `(m,)`."""
        return np.asarray(self._usual + likeness(points / REACH, self.points / REACH) @ self._pull)

    @cached_property
    def _usual(self) -> float:
        return float(np.median(self.values))

    @cached_property
    def _pull(self) -> Numbers:
        alike = likeness(self.points / REACH, self.points / REACH) + SURE**2 * np.eye(len(self.points))
        return np.asarray(np.linalg.solve(alike, self.values - self._usual))


def likeness(some: Numbers, others: Numbers) -> Numbers:
    """The squared exponential of distances in units of reach, `(n, m)` (Rasmussen and Williams 2006, eq. 2.31)."""
    return np.asarray(np.exp(-((some[:, None, :] - others[None]) ** 2).sum(2) / 2))
