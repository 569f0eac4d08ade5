"""Tunes a cascade: search, confirm on fresh samples, and write the new file with before and after."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import UsageError
from dynaxx.evolve.changed import changed_text, told
from dynaxx.evolve.tune.bed import Bed
from dynaxx.evolve.tune.choice import Choice
from dynaxx.evolve.tune.confirm import Confirmed, confirm, fresh
from dynaxx.evolve.tune.cost import Cost, Costs
from dynaxx.evolve.tune.race import Ran, front
from dynaxx.evolve.tune.search import Bound, Search, Tried
from dynaxx.lens.reference import find
from dynaxx.noise.solve.step import Step
from dynaxx.plan.told import Teller
from dynaxx.spec.data import DataSpec

NUM, FRESH = 64, 128
"""Signals that are searched on, and that the result is confirmed on."""


@final
@dataclass(frozen=True)
class Options:
    """How to tune: inside which bound, in how many seconds, on how many signals; `within` is the loss allowed."""

    bound: Bound = field(default_factory=Bound)
    budget_s: float = 1200.0
    num: int = NUM
    fresh: int = FRESH
    within: float = 0.02
    seed: int = 0
    kept: Path | None = None
    data: DataSpec | None = None
    teller: Teller | None = None


@final
@dataclass(frozen=True)
class Tuned:
    """What was found; without a choice, nothing lies inside the bound, and `least` is the cheapest that there is.

    `curves` holds what stayed to the end of each part's last race; `tried` counts choices, `made` and `found` blocks
    that were run and that were known.
    """

    choice: Choice | None
    changes: tuple[Mapping[str, Any], ...]
    bound: Bound
    now: Cost
    then: Cost
    least: Cost
    confirmed: Confirmed | None
    within: float
    curves: Mapping[str, tuple[Ran, ...]]
    tried: int
    rounds: int
    made: int
    found: int
    num: int
    latency_s: float

    @property
    def shown(self) -> bool:
        """Whether it pays: inside the bound, and the score kept beyond chance on signals not searched on."""
        return self.confirmed is not None and self.confirmed.kept

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "changes": list(self.changes), "unit": self.now.unit, "unknown": dict(self.now.unknown),
            "cost": {"before": self.now.total, "after": self.then.total, "ratio": self.then.total / self.now.total},
            "latency_s": {"before": self.now.latency_s, "after": self.then.latency_s},
            "confirmed": self.confirmed.to_json() if self.confirmed else None, "within": self.within,
            "shown": self.shown, "searched": self.num, "tried": self.tried, "rounds": self.rounds,
            "blocks_run": self.made, "blocks_known": self.found, "search_s": self.latency_s,
            "curves": {part: _curve(ran) for part, ran in self.curves.items()},
        }  # fmt: skip


def _curve(ran: tuple[Ran, ...]) -> list[dict[str, Any]]:
    """What stayed in a part's race, cheapest first; `best` marks the front."""
    best = front(ran)
    return [
        {
            "settings": one.choice.words, "cost": one.cost, "front": one in best, "now": one is ran[0],
            "score": one.score.interval().to_json(), "change": one.against(ran[0]).to_json(),
        }
        for one in sorted(ran, key=lambda one: one.cost)
    ]  # fmt: skip


@final
class Tuning:
    """Goes through `steps()`, then answers with what it found, `tuned()`.

    Raises:
        UsageError: where there are no signals to hold the cascade against, or a latency that nothing can tell.
        DataError: where they do not do.
    """

    def __init__(
        self, cascade: Cascade, options: Options, *, on_step: Callable[[str, Step], None] | None = None
    ) -> None:
        self.cascade, self.options, self.on_step = cascade, options, on_step
        costs, size = Costs(cascade, options.teller), cascade.runtime.size
        if options.bound.latency_s is not None:
            costs.check_timed()
        reference = find(
            cascade.spec, options.num, data=options.data, root=cascade.root, seed=options.seed, size=size, apart=True
        )
        if reference is None:
            fix = "Name some (--data DIR)."
            raise UsageError("data", "is named neither by the cascade nor by you; nothing tells a good sample.", fix)
        bed = Bed(cascade, reference, options.seed, options.kept, on_step)
        self.search = Search(bed, costs, options.bound, options.budget_s)
        self._start, self._rounds, self._tried = time.monotonic(), 0, set[tuple[str, Choice]]()

    def steps(self) -> Iterator[Tried]:
        """Yield every round of the search."""
        for done in self.search.steps():
            self._rounds += 1
            self._tried |= {(done.part, one.choice) for one in done.round.ran}
            yield done

    def tuned(self) -> Tuned:
        """Confirm the best choice on fresh samples."""
        search, choice = self.search, self.search.best
        now = search.costs.of(self.cascade)
        confirmed, then = None, now
        changes: tuple[Mapping[str, Any], ...] = ()
        if choice is not None and choice.settings:
            then = search.costs.of(search.bed.with_(choice))
            confirmed, changes = self._confirm(choice), told(self.cascade.spec, dict(choice.settings))
        kept = search.bed.kept
        return Tuned(
            choice, changes, self.options.bound, now, then, search.least, confirmed, self.options.within,
            dict(search.curves), len(self._tried), self._rounds, kept.made, kept.found, len(search.bed.reference),
            time.monotonic() - self._start,
        )  # fmt: skip

    def text(self, found: Tuned, file: Path) -> str | None:
        """The cascade file of what was found, to lie at `file`; None where it does not pay."""
        if found.choice is None or not found.shown:
            return None
        return changed_text(self.cascade.spec, dict(found.choice.settings), file, root=self.cascade.root)

    def _confirm(self, choice: Choice) -> Confirmed:
        options = self.options
        searched = len(self.search.bed.reference)
        self.search.bed.forget()
        signals = fresh(self.cascade, searched, options.fresh, data=options.data, seed=options.seed)
        return confirm(
            self.cascade, choice, signals, within=options.within, seed=options.seed, folder=options.kept,
            more=lambda: self.search.used < 1, on_step=self.on_step,
        )  # fmt: skip
