"""Seconds of operations between those that were probed, interpolated in the logarithms of widths, rows or bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from dynaxx.plan.time.features import Point

Numbers = NDArray[np.float64]
REACH = 2.0
"""How far one probe tells of its neighbours, in natural logarithms: widths eight times as large are strangers."""
SURE = 0.1
"""The standard deviation of a probe's own logarithm."""


@final
@dataclass(frozen=True)
class Surface:
    """ln(seconds per unit of work) as a Gaussian process over the probes, work being the product of the coordinates.

    Far from all probes it is their median: unknown shapes are believed to run at the usual rate.
    """

    points: Numbers
    seconds: Numbers

    @classmethod
    def of(cls, points: Sequence[Point], seconds: Sequence[float]) -> Surface:
        """The surface through some probes."""
        return cls(np.array(points, dtype=np.float64), np.log(np.array(seconds, dtype=np.float64)))

    def at(self, points: Numbers) -> Numbers:
        """Seconds at points, `(n,)`."""
        return np.asarray(
            np.exp(self._usual + points.sum(1) + likeness(points / REACH, self.points / REACH) @ self._pull)
        )

    @cached_property
    def _slowness(self) -> Numbers:
        return np.asarray(self.seconds - self.points.sum(1))

    @cached_property
    def _usual(self) -> float:
        return float(np.median(self._slowness))

    @cached_property
    def _pull(self) -> Numbers:
        alike = likeness(self.points / REACH, self.points / REACH) + SURE**2 * np.eye(len(self.points))
        return np.asarray(np.linalg.solve(alike, self._slowness - self._usual))

    def to_json(self) -> dict[str, Any]:
        """The probes as plain data."""
        return {"points": self.points.tolist(), "seconds": np.exp(self.seconds).tolist()}


def likeness(some: Numbers, others: Numbers) -> Numbers:
    """The squared exponential of distances in units of reach, `(n, m)` (Rasmussen and Williams 2006, eq. 2.31)."""
    return np.asarray(np.exp(-((some[:, None, :] - others[None]) ** 2).sum(2) / 2))
