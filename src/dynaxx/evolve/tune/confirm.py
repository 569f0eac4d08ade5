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
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.metrics.ratio import ratio
from dynaxx.noise.solve.step import Step
from dynaxx.spec.data import DataSpec

FRESH = 9_000_011
"""Added to the seed, so that what is confirmed shares no random number with what was searched."""


@final
@dataclass(frozen=True)
class Confirmed:
    """The score as it was and as it is now on the same samples, and MMD^2 for a second opinion.

    `change` is after - before. `spare` is what is left of the loss that was allowed, change + within |before|: where
    its low end is 0 or more, the score is kept. Both are paired, and their ends are one-sided bounds of 95% each, as
    are those of `ratio`, which says nothing where the score before is not surely above 0. `unseen`: whether the
    signals were not searched on.
    """

    before: Measure
    after: Measure
    change: Measure
    spare: Measure
    ratio: Measure
    mmd2_before: Measure
    mmd2_after: Measure
    mmd2_change: Measure
    num: int
    draws: int
    signals: str
    unseen: bool

    @property
    def kept(self) -> bool:
        """Whether the score is kept beyond chance, on signals that nothing was chosen by."""
        return self.unseen and self.spare.low is not None and self.spare.low >= 0

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        plain = {name: value.__dict__ for name, value in vars(self).items() if isinstance(value, Measure)}
        return plain | {"num": self.num, "draws": self.draws, "signals": self.signals, "unseen": self.unseen}


def confirm(
    cascade: Cascade,
    choice: Choice,
    signals: Signals,
    *,
    within: float,
    seed: int = 0,
    folder: Path | None = None,
    more: Callable[[], bool] = lambda: True,
    on_step: Callable[[str, Step], None] | None = None,
) -> Confirmed:
    """Measure the cascade as it is and with a choice on fresh signals: a block at least, and more while `more()`."""
    bed = Bed(cascade, signals.reference, seed + FRESH, folder, on_step)
    last, both, blocks = bed.graph[-1], (Choice(), choice), 0
    while blocks < bed.blocks and (not blocks or more()):
        blocks += 1
        before, after = (bed.score(each, last, blocks) for each in both)
    far, farther = (bed.distance(each, last, blocks) for each in both)
    return Confirmed(
        Measure.of(before.interval()), Measure.of(after.interval()), Measure.of((after - before).interval(ONE_SIDED)),
        Measure.of(spare(before, after, within).interval(ONE_SIDED)), Measure.of(ratio(after, before, ONE_SIDED)),
        Measure.of(far.interval()), Measure.of(farther.interval()), Measure.of((farther - far).interval()),
        before.n, bed.draws, signals.says, signals.unseen,
    )  # fmt: skip


def spare(before: Pairwise, after: Pairwise, within: float) -> Pairwise:
    """What is left of the loss that is allowed: after - before + within |before|, for scores of any sign.

    |before| is before or -before where its sign is beyond chance; else it is taken as 0, and no loss is allowed.
    """
    sure = before.interval(ONE_SIDED)
    sign = 1 if sure.low > 0 else -1 if sure.high < 0 else 0
    return after - before * (1 - within * sign)


@final
@dataclass(frozen=True)
class Signals:
    """What a choice is confirmed on; `unseen`: nothing was searched on these."""

    reference: Reference
    unseen: bool

    @property
    def says(self) -> str:
        """In words."""
        return ("unseen signals" if self.unseen else "the signals that were searched on") + ", fresh random numbers"


def fresh(cascade: Cascade, searched: int, most: int, *, data: DataSpec | None = None, seed: int = 0) -> Signals:
    """Signals that were not searched on, up to `most`, of other groups; else the same, for fresh random numbers."""
    size, spec, root = cascade.runtime.size, cascade.spec, cascade.root
    try:
        found = find(spec, most, data=data, root=root, seed=seed, skip=searched, size=size, apart=True)
    except DataError:
        found = None
    if found is not None and len(found) >= FEWEST:
        return Signals(found, unseen=True)
    again = find(spec, min(searched, most), data=data, root=root, seed=seed, size=size, apart=True)
    assert again is not None, "a search has a reference"
    return Signals(again, unseen=False)
