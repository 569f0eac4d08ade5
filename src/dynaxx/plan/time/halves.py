"""Half precision on a machine that was calibrated: how many times as long each operation takes as in float32."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, final

import numpy as np

from dynaxx.plan.time.features import Point
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.time.nearest import nearest
from dynaxx.plan.time.surface import REACH, SURE, Numbers, Surface, likeness

USUAL_SPREAD = 0.3
"""What half precision usually leaves open, in logarithms. Of a hundred networks on one server CPU, and neighbours."""
COUNTS = 4
"""Networks that the usual spread counts as."""
NOISE, LOOSE = 0.15, (0.5, 1e-4)
"""What is left of a network when all is right, relative; and how far times and seconds a call may be from 1 and 0."""


@final
@dataclass(frozen=True)
class Ratio:
    """ln(seconds in half precision / seconds that the float32 surface tells at the same point), a Gaussian process.

    Far from all probes it is their median. Points are those of half precision: bytes moved are half as many.
    """

    points: Numbers
    logs: Numbers

    @classmethod
    def of(cls, timed: Sequence[tuple[Point, float]], surface: Surface) -> Ratio:
        """Between the seconds that were timed at points in half precision, and what the surface tells there."""
        at = np.array([point for point, _ in timed], dtype=np.float64)
        return cls(at, np.log(np.array([seconds for _, seconds in timed]) / surface.at(at)))

    def at(self, points: Numbers) -> Numbers:
        """How many times as long as in float32, `(n,)`."""
        return np.asarray(np.exp(self._usual + likeness(points / REACH, self.points / REACH) @ self._pull))

    @cached_property
    def _usual(self) -> float:
        return float(np.median(self.logs))

    @cached_property
    def _pull(self) -> Numbers:
        alike = likeness(self.points / REACH, self.points / REACH) + SURE**2 * np.eye(len(self.points))
        return np.asarray(np.linalg.solve(alike, self.logs - self._usual))


@final
@dataclass(frozen=True)
class Half:
    """A machine's work in one half-precision format.

        seconds = times * told + call_s * calls

    `told` is what the float32 surfaces, times the ratios of the groups that were probed, come to by float32's shares;
    `calls` are those of convolutions, products and attention. `spread` is what a few whole networks leave open, in
    logarithms.
    """

    ratios: Mapping[str, Ratio]
    times: float = 1.0
    call_s: float = 0.0
    spread: float = USUAL_SPREAD

    def of(self, group: str) -> Ratio:
        """The ratio of the group, or of the one that is most like it."""
        return self.ratios[nearest(group, self.ratios)]

    def told(self, seconds: float, calls: float, *, least: float = 0.0) -> Interval:
        """What a stage takes whose operations come to so many seconds, `least` being float32's own spread."""
        return Interval.around(self.times * seconds + self.call_s * calls, max(self.spread, least))

    def learned(self, rows: Sequence[tuple[float, float, float]]) -> Half:
        """Set right by networks: what is told of each, its calls, and the seconds it really took.

        Least squares of `1 = (times * told + call_s * calls) / seconds`, both drawn to their usual values; the usual
        spread counts as a few networks.
        """
        if not rows:
            return self
        table = np.array(rows)
        parts = np.vstack([table[:, :2] / table[:, 2:] / NOISE, np.diag(1 / np.array(LOOSE))])
        wanted = np.concatenate([np.full(len(table), 1 / NOISE), np.array([self.times, self.call_s]) / LOOSE])
        times, call_s = (max(float(one), 0.0) for one in np.linalg.lstsq(parts, wanted, rcond=None)[0])
        rests = np.log(table[:, 2] / (times * table[:, 0] + call_s * table[:, 1]))
        spread = math.sqrt((COUNTS * USUAL_SPREAD**2 + float(rests @ rests)) / (COUNTS + len(table)))
        return replace(self, times=times, call_s=call_s, spread=spread)

    def to_json(self) -> dict[str, Any]:
        """The format as plain data."""
        ratios = {n: {"points": r.points.tolist(), "logs": r.logs.tolist()} for n, r in self.ratios.items()}
        return vars(self) | {"ratios": ratios}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Half:
        """What `to_json` wrote."""
        read = {name: Ratio(*(np.array(r[key]) for key in ("points", "logs"))) for name, r in data["ratios"].items()}
        return cls(**{**data, "ratios": read})
