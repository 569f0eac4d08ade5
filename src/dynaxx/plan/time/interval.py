"""A duration that is not known exactly: its middle, and the bounds that hold nine times out of ten."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import final

Z90 = 1.645
"""Nine in ten of a normal variable lie within so many standard deviations."""
LEAST_SPREAD = 0.04
"""Nothing is known better than this: machines repeat themselves to a few per cent."""


@final
@dataclass(frozen=True)
class Interval:
    """Seconds: `value`, and the 90% interval from `low` to `high`."""

    value: float
    low: float
    high: float

    @classmethod
    def around(cls, value: float, spread: float) -> Interval:
        """A value whose logarithm has the standard deviation `spread`."""
        factor = math.exp(Z90 * spread)
        return cls(value, value / factor, value * factor)

    def times(self, factor: float) -> Interval:
        """So many times as long."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)

    def plus(self, other: Interval) -> Interval:
        """One after the other, wrong in the same direction."""
        return Interval(self.value + other.value, self.low + other.low, self.high + other.high)

    def beyond(self, other: Interval) -> Interval:
        """What is left of it once the other is over, both having begun together; they are wrong independently."""
        lefts = (self.value - other.value, self.low - other.high, self.high - other.low)
        return Interval(*(max(0.0, left) for left in lefts))


NOTHING = Interval(0.0, 0.0, 0.0)
"""No time at all."""


def in_turn(several: Iterable[Interval]) -> Interval:
    """One after another."""
    return reduce(Interval.plus, several, NOTHING)
