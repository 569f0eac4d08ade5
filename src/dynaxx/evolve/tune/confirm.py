"""What tuning gained or lost, on fresh samples: signals and random numbers that nothing was chosen by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import DataError
from dynaxx.evolve.tune.bed import Bed
from dynaxx.evolve.tune.choice import Choice
from dynaxx.evolve.tune.race import ONE_SIDED
from dynaxx.lens.findings import Measure
from dynaxx.lens.reference import FEWEST, Reference, find
from dynaxx.metrics.ratio import ratio
from dynaxx.noise.solve.step import Step
from dynaxx.spec.data import DataSpec

FRESH = 9_000_011
"""Added to the seed, so that what is confirmed shares no random number with what was searched."""


@final
@dataclass(frozen=True)
class Confirmed:
    """The score as it was and as it is now on the same fresh samples, their ratio, and MMD^2 for a second opinion.

    The ends of `ratio` are one-sided bounds of 95% each.
    """

    before: Measure
    after: Measure
    ratio: Measure
    mmd2_before: Measure
    mmd2_after: Measure
    mmd2_change: Measure
    num: int
    draws: int
    signals: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        plain = {name: value.__dict__ for name, value in vars(self).items() if isinstance(value, Measure)}
        return plain | {"num": self.num, "draws": self.draws, "signals": self.signals}


def confirm(
    cascade: Cascade,
    choice: Choice,
    reference: Reference,
    says: str,
    *,
    seed: int = 0,
    folder: Path | None = None,
    more: Callable[[], bool] = lambda: True,
    on_step: Callable[[str, Step], None] | None = None,
) -> Confirmed:
    """Measure the cascade as it is and with a choice on fresh signals: a block at least, and more while `more()`."""
    bed = Bed(cascade, reference, seed + FRESH, folder, on_step)
    last, both, blocks = bed.graph[-1], (Choice(), choice), 0
    while blocks < bed.blocks and (not blocks or more()):
        blocks += 1
        before, after = (bed.score(each, last, blocks) for each in both)
    far, farther = (bed.distance(each, last, blocks) for each in both)
    return Confirmed(
        Measure.of(before.interval()), Measure.of(after.interval()), Measure.of(ratio(after, before, ONE_SIDED)),
        Measure.of(far.interval()), Measure.of(farther.interval()), Measure.of((farther - far).interval()),
        before.n, bed.draws, says,
    )  # fmt: skip


def fresh(
    cascade: Cascade, searched: int, most: int, *, data: DataSpec | None = None, seed: int = 0
) -> tuple[Reference, str]:
    """Signals that were not searched on, up to `most`, of other groups; else the same, for fresh random numbers."""
    size, spec, root = cascade.runtime.size, cascade.spec, cascade.root
    try:
        found = find(spec, most, data=data, root=root, seed=seed, skip=searched, size=size, apart=True)
    except DataError:
        found = None
    if found is not None and len(found) >= FEWEST:
        return found, "unseen signals, fresh random numbers"
    again = find(spec, min(searched, most), data=data, root=root, seed=seed, size=size, apart=True)
    assert again is not None, "a search has a reference"
    return again, "the same signals, fresh random numbers"
