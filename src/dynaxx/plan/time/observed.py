"""Runs that were seen: they sharpen what is told of the same stage, run the same way on the same machine.

A process' first batch of a stage is cold: kernels are chosen, memory is touched for the first time. Neighbours only
slow a run down, so the quickest of the last warm runs counts, as one observation of noise R beside a prediction of
spread S:

    ln t = ln told + w ln(seen / told),    w = S^2 / (S^2 + R^2),    spread^2 = S^2 R^2 / (S^2 + R^2) + R^2

Cold runs bound a warm one from above. Warm runs of the stage in another way (size, batch, steps) narrow nothing: what
they say of the clock's error only widens the interval.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, final

from dynaxx.errors import RunError
from dynaxx.plan.time.interval import Z90, Interval
from dynaxx.store.cache import recall, remember
from dynaxx.store.lock import locked

LAST = 8
"""So many of the latest runs of a stage are kept, of each kind."""
REPEATS = 0.06
"""R: how far the quickest run of a few is from the next one's time, in logarithms."""
PATIENCE_S = 2.0
"""So long another process may write before ours lets its runs go."""
KINDS = ("warm", "cold")
Runs = list[tuple[float, float]]
"""What was told, uncorrected, and what was seen, in seconds, of one batch."""


class Way(NamedTuple):
    """A stage, by all that its profile depends on, and how it is run: its grid, its batch, its steps."""

    stage: str
    how: str

    def __str__(self) -> str:
        return f"{self.stage} {self.how}"


@final
@dataclass
class Observed:
    """Runs by way, below one machine's file."""

    file: Path
    warm: dict[str, Runs] = field(default_factory=dict)
    cold: dict[str, Runs] = field(default_factory=dict)
    _new: list[tuple[str, Way, float, float]] = field(default_factory=list, compare=False, repr=False)

    @classmethod
    def read(cls, file: Path) -> Observed:
        """What was kept; nothing where there is no file, or none that is whole."""
        found = recall(file)
        try:
            return cls(file, _read(found["warm"]), _read(found["cold"]))
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls(file)

    def add(self, way: Way, *, told: float, seen: float, cold: bool) -> None:
        """Take a run in."""
        if told > 0 and seen > 0:
            self._new.append(("cold" if cold else "warm", way, told, seen))
            self._put(*self._new[-1])

    def keep(self) -> bool:
        """Write what was added, beside what other processes wrote meanwhile; say whether that could be done."""
        until = time.monotonic() + PATIENCE_S
        while True:
            with suppress(RunError), locked(self.file.with_suffix(".lock"), folder=self.file.parent, what="run"):
                there = Observed.read(self.file)
                for one in self._new:
                    there._put(*one)
                kept: dict[str, Any] = {kind: getattr(there, kind) for kind in KINDS}
                if done := remember(self.file, kept):
                    self.warm, self.cold = there.warm, there.cold
                    self._new.clear()
                return done
            if time.monotonic() > until:
                return False
            time.sleep(0.02)

    def _put(self, kind: str, way: Way, told: float, seen: float) -> None:
        runs = getattr(self, kind).setdefault(str(way), [])
        runs.append((told, seen))
        del runs[:-LAST]

    def sharpened(self, way: Way, told: Interval) -> Interval:
        """A prediction for one batch, corrected by what was seen of warm runs."""
        if told.value <= 0:
            return told
        if runs := self.warm.get(str(way)):
            spread = math.log(told.high / told.value) / Z90
            trust = spread**2 / (spread**2 + REPEATS**2)
            return Interval.around(told.value * _ratio(runs) ** trust, math.sqrt(trust * REPEATS**2 + REPEATS**2))
        return self._bounded(way, self._widened(way, told))

    def _widened(self, way: Way, told: Interval) -> Interval:
        """As far out as the clock was wrong of the same stage, run another way."""
        wrong = [told.value * _ratio(runs) for name, runs in self.warm.items() if name.startswith(f"{way.stage} ")]
        return Interval(told.value, min(told.low, *wrong), max(told.high, *wrong)) if wrong else told

    def _bounded(self, way: Way, told: Interval) -> Interval:
        """No slower than a process' first run of it was."""
        if not (runs := self.cold.get(str(way))):
            return told
        ratio = _ratio(runs)
        most, down = told.value * ratio * math.exp(Z90 * REPEATS), min(1.0, ratio)
        return Interval(told.value * down, told.low * down, min(told.high, most))

    def first_extra_s(self, way: Way) -> float | None:
        """How much longer a process' first batch took than a warm one does; None where either was not seen."""
        cold, warm = self.cold.get(str(way)), self.warm.get(str(way))
        if not cold or not warm:
            return None
        return max(0.0, statistics.median(seen - _ratio(warm) * told for told, seen in cold))


def _ratio(runs: Runs) -> float:
    """The quickest, for what was told."""
    return min(seen / told for told, seen in runs)


def _read(found: Mapping[str, Any]) -> dict[str, Runs]:
    return {name: pairs for name, runs in found.items() if (pairs := [_pair(run) for run in runs])}


def _pair(run: Any) -> tuple[float, float]:
    told, seen = run
    if not (0 < float(told) < math.inf and 0 < float(seen) < math.inf):
        raise ValueError(run)
    return float(told), float(seen)
