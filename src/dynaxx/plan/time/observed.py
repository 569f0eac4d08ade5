"""Runs that were seen: they sharpen the prediction of the same stage on the same machine; cold and warm are kept apart.

A process' first run of a stage is cold: kernels are chosen, memory is touched for the first time. Neighbours only slow
a run down, so the quickest of the last warm runs counts, as one observation of noise R beside a prediction of spread S:

    ln t = ln told + w ln(seen / told),    w = S^2 / (S^2 + R^2),    spread^2 = S^2 R^2 / (S^2 + R^2) + R^2
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from dynaxx.plan.time.interval import Z90, Interval
from dynaxx.store.cache import recall, remember

LAST = 8
"""So many of the latest runs of a stage are kept, of each kind."""
REPEATS = 0.06
"""R: how far the quickest run of a few is from the next one's time, in logarithms."""
Runs = list[tuple[float, float]]
"""What was told, uncorrected, and what was seen, in seconds."""


@final
@dataclass
class Observed:
    """Runs by stage, below one machine's file; stages are named by all that their profile depends on."""

    file: Path
    warm: dict[str, Runs] = field(default_factory=dict)
    cold: dict[str, Runs] = field(default_factory=dict)

    @classmethod
    def read(cls, file: Path) -> Observed:
        """What was kept; nothing where there is no file, or none that is whole."""
        found = recall(file)
        if not isinstance(found, dict):
            return cls(file)
        return cls(file, *({k: [_pair(run) for run in runs] for k, runs in found[kind].items()} for kind in KINDS))

    def add(self, stage: str, *, told: float, seen: float, cold: bool) -> None:
        """Take a run in."""
        if told > 0 and seen > 0:
            runs = (self.cold if cold else self.warm).setdefault(stage, [])
            runs.append((told, seen))
            del runs[:-LAST]

    def keep(self) -> bool:
        """Write them; say whether that could be done."""
        kept: dict[str, Any] = {kind: getattr(self, kind) for kind in KINDS}
        return remember(self.file, kept)

    def sharpened(self, stage: str, told: Interval) -> Interval:
        """A prediction, corrected by what was seen of warm runs."""
        runs = self.warm.get(stage)
        if not runs or told.value <= 0:
            return told
        ratio = min(seen / said for said, seen in runs)
        spread = math.log(told.high / told.value) / Z90
        trust = spread**2 / (spread**2 + REPEATS**2)
        return Interval.around(told.value * ratio**trust, math.sqrt(trust * REPEATS**2 + REPEATS**2))

    def first_extra_s(self, stage: str) -> float | None:
        """How much longer a process' first run took than a warm one does; None where none was seen."""
        runs = self.cold.get(stage)
        if not runs:
            return None
        warm = min((seen / said for said, seen in self.warm.get(stage, [])), default=1.0)
        return max(0.0, statistics.median(seen - warm * said for said, seen in runs))


KINDS = ("warm", "cold")


def _pair(run: Any) -> tuple[float, float]:
    told, seen = run
    return float(told), float(seen)
