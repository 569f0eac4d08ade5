"""A measured number: its estimate with a variance, and the interval that says how far it can be trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, final

from dynaxx.errors import UsageError
from dynaxx.metrics.student import t_quantile, t_within

CONFIDENCE = 0.95


@final
@dataclass(frozen=True)
class Interval:
    """A value from `n` independent samples and the interval that covers the truth with chance `confidence`.

    An end is infinite where the samples do not bound it.
    """

    value: float
    low: float
    high: float
    n: int
    confidence: float = CONFIDENCE

    def excludes(self, null: float) -> bool:
        """Whether `null` lies outside."""
        return not self.low <= null <= self.high

    def to_json(self) -> dict[str, Any]:
        """Plain data; what is not finite is null."""
        ends = {"value": self.value, "low": self.low, "high": self.high}
        return {name: end if math.isfinite(end) else None for name, end in ends.items()} | {
            "n": self.n,
            "confidence": self.confidence,
        }


@final
@dataclass(frozen=True)
class Estimate:
    """An estimate from `n` >= 2 independent samples and the variance of that estimate.

    A skewed estimate has another variance on each side: `variance` bounds the truth from below, `above` from above.
    """

    value: float
    variance: float
    n: int
    above: float | None = None

    def __post_init__(self) -> None:
        if self.n < 2:
            raise UsageError("interval", f"expects at least 2 samples, but got {self.n}.", "Measure more.")

    def std_error(self, *, upwards: bool = False) -> float:
        """The root of the variance on one side."""
        return math.sqrt(max(self.above if upwards and self.above is not None else self.variance, 0.0))

    def interval(self, confidence: float = CONFIDENCE) -> Interval:
        """`value - t std_error .. value + t std_error`, t of n - 1 degrees of freedom."""
        t = t_quantile(confidence, self.n - 1)
        low, high = self.value - t * self.std_error(), self.value + t * self.std_error(upwards=True)
        return Interval(self.value, low, high, self.n, confidence)

    def p_value(self, null: float = 0.0) -> float:
        """One less the confidence of the interval that just reaches `null`: two-sided, small where it is far off."""
        distance, error = abs(self.value - null), self.std_error(upwards=null > self.value)
        if not error:
            return 0.0 if distance else 1.0
        return max(0.0, 1 - t_within(distance / error, self.n - 1))
