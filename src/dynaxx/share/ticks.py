"""Where the ticks of an axis stand: round numbers, few of them, on linear and logarithmic scales."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from dynaxx.share.numbers import ROUNDING, figure

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
ROOM = 0.06
"""The share of the range that is left free at both ends."""
FLAT = 1e-4
"""Values that differ by less than this share of themselves are one value."""


@final
@dataclass(frozen=True)
class Axis:
    """A range of values, low < high, on a line from 0 to 1."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, values: Sequence[float], *, log: bool = False) -> Axis:
        """The axis that shows all finite values with a little room; one that holds values up to 0 is linear."""
        finite = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
        log = log and min(finite) > 0
        ends = [math.log10(v) if log else v for v in (min(finite), max(finite))]
        span = ends[1] - ends[0]
        largest = max(map(abs, ends))
        room = ROOM * span if span > max(FLAT * largest, ROUNDING) else largest / 2 if largest > ROUNDING else 0.5
        low, high = ends[0] - room, ends[1] + room
        return cls(10**low, 10**high, log=True) if log else cls(low, high)

    def place(self, value: float) -> float:
        """Where a value stands: 0 at `low`, 1 at `high`; held a little beyond both ends."""
        if self.log:
            share = math.log(max(value, 1e-300) / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return min(max(share, -0.05), 1.05)

    def ticks(self, most: int = 5) -> list[float]:
        """At most about `most` round numbers inside."""
        if self.log and math.log10(self.high / self.low) > 1:
            return self._decades(most)
        raw = (self.high - self.low) / most
        size = 10 ** math.floor(math.log10(raw))
        step = next(size * s for s in STEPS if size * s >= raw * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        return [round(i * step, 12) for i in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def words(self) -> list[tuple[float, str]]:
        """The ticks with what stands beside them: as many decimals as tell them apart."""
        ticks = self.ticks()
        largest = max(map(abs, ticks), default=0.0)
        if self.log or not 1e-4 <= largest < 1e6 or len(ticks) < 2:
            return [(tick, figure(tick)) for tick in ticks]
        step = ticks[1] - ticks[0]
        decimals = next((d for d in range(12) if abs(round(step, d) - step) < 1e-6 * step), 12)
        return [(tick, figure(tick, exact=decimals if tick else 0)) for tick in ticks]

    def _decades(self, most: int) -> list[float]:
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for parts in ((1, 2, 5), (1, 3), (1,)):
            ticks = [m * 10.0**p for p in powers for m in parts if self.low <= m * 10.0**p <= self.high]
            if len(ticks) <= most + 1:
                return ticks
        stride = -(-len(ticks) // most)
        return ticks[::stride]
