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
from dynaxx.plan.time.shares import drawn_shares
from dynaxx.plan.time.smooth import Numbers, Smooth
from dynaxx.plan.time.surface import Surface

USUAL_SPREAD = 0.3
"""What half precision usually leaves open, in logarithms. Of a hundred networks on one server CPU, and neighbours."""
COUNTS = 4
"""Networks that the usual spread counts as."""
NOISE, LOOSE = 0.15, (0.5, 1e-4)
"""What is left of a network when all is right, relative; and how far times and seconds a call may be from 1 and 0."""


@final
@dataclass(frozen=True)
class Ratio:
    """ln(seconds in half precision / seconds that the float32 surface tells at the same point), between the probes.

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
        return np.asarray(np.exp(self._between.at(points)))

    @cached_property
    def _between(self) -> Smooth:
        return Smooth(self.points, self.logs)


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

        Neither is below 0, both are drawn to their usual values (`drawn_shares`); the usual spread counts as a few
        networks.
        """
        if not rows:
            return self
        table = np.array(rows)
        found = drawn_shares(table, usual=(self.times, self.call_s), loose=LOOSE, noise=NOISE)
        times, call_s = (float(one) for one in found)
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
