"""Seconds of operations between those that were probed: the time of a unit of work is interpolated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from dynaxx.plan.time.features import Point
from dynaxx.plan.time.smooth import Numbers, Smooth


@final
@dataclass(frozen=True)
class Surface:
    """ln(seconds per unit of work) between the probes, work being the product of the coordinates.

    `logs` are those of the probes' seconds. Far from all probes it is their median: unknown shapes are believed to run
    at the usual rate.
    """

    points: Numbers
    logs: Numbers

    @classmethod
    def of(cls, points: Sequence[Point], seconds: Sequence[float]) -> Surface:
        """The surface through some probes."""
        return cls(np.array(points, dtype=np.float64), np.log(np.array(seconds, dtype=np.float64)))

    def at(self, points: Numbers) -> Numbers:
        """Seconds at points, `(n,)`."""
        return np.asarray(np.exp(points.sum(1) + self._slowness.at(points)))

    @cached_property
    def _slowness(self) -> Smooth:
        return Smooth(self.points, self.logs - self.points.sum(1))

    def to_json(self) -> dict[str, Any]:
        """The probes as plain data."""
        return {"points": self.points.tolist(), "seconds": np.exp(self.logs).tolist()}
