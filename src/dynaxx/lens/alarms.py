"""One chance of a false alarm for a whole report, split before the look over everything that may raise one.

    exams          sign i is an alarm where   2 holm(p)_i < ALPHA,   Holm over the signs of all exams
    other probes   each of T tests is judged at the confidence   1 - ALPHA / (2 T)
    T = sum over nodes   1 carry  +  3 where signals are foreign: order, scale, level
      + sum over settings   the values other than the present one  +  1 of steps: fine detail

By Bonferroni's inequality the chance of any false alarm is at most ALPHA, however the measurements depend on each
other. T follows from the cascade and from whether there is a truth, not from what is seen or from the budget. Where T
is 0 the exams have all of ALPHA.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from dynaxx.lens.bench import Bench
from dynaxx.lens.crossing import foreign
from dynaxx.lens.settings import settings
from dynaxx.metrics.family import bonferroni, holm

ALPHA = 0.05
"""The chance of any false alarm in a report."""
FOREIGN = 3
"""Tests of an edge that brings somebody else's signals: the order of channels, their scale, the level it bears."""


@final
@dataclass(frozen=True)
class Alarms:
    """The budget of a report in which `tests` beside the signs of the exams may raise an alarm."""

    tests: int

    @property
    def exams(self) -> float:
        """What the signs of all exams have of ALPHA together."""
        return ALPHA / 2 if self.tests else ALPHA

    @property
    def confidence(self) -> float:
        """The confidence at which each of the other tests is judged."""
        return bonferroni(1 - (ALPHA - self.exams), self.tests) if self.tests else 1 - ALPHA

    def adjusted(self, p_values: Sequence[float]) -> list[float]:
        """P-values of signs, so that those below ALPHA are alarms that hold over the whole report."""
        return [min(1.0, p * ALPHA / self.exams) for p in holm(p_values)]

    def says(self, signs: int) -> str:
        """The family in words, for the report's method."""
        if not self.tests:
            return f"{ALPHA:.0%} over the report: Holm over {signs} signs"
        others = f"{1 - self.confidence:.2%} for each of {self.tests} tests of other probes"
        return f"{ALPHA:.0%} over the report: {self.exams:.1%} by Holm over {signs} signs, {others}"


def alarms(bench: Bench) -> Alarms:
    """The budget of a cascade on the bench."""
    tests = FOREIGN * sum(foreign(node) for node in bench.graph)
    if bench.reference is not None:
        tests += len(bench.later())
        tests += sum(len(setting.values) - 1 + (setting.kind == "steps") for setting in settings(bench))
    return Alarms(tests)
