"""A race of choices by successive halving: more signals for fewer choices, the poor ones stopped early.

After each round a choice is out where another that costs no more is surely better (one-sided 95%, paired: same
signals, same random numbers); of the others the better half stays, by fronts of score and cost, so that every price
keeps its best (Karnin et al., ICML 2013, for the halving). The first entrant is what all are held against, and stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

from dynaxx.evolve.tune.choice import Choice
from dynaxx.metrics import front as fronts
from dynaxx.metrics.interval import Interval
from dynaxx.metrics.pairwise import Pairwise

ONE_SIDED = 0.90
"""Two-sided intervals of 90% end where one-sided ones of 95% do."""
LEAST = 6
"""So many stay to the end."""
Measure = Callable[[Choice, int], Pairwise]
"""The score of a choice over so many blocks."""


@final
@dataclass(frozen=True)
class Entrant:
    """A choice with its cost."""

    choice: Choice
    cost: float


@final
@dataclass(frozen=True)
class Ran:
    """An entrant and its score over so many blocks."""

    entrant: Entrant
    score: Pairwise

    @property
    def choice(self) -> Choice:
        """What was chosen."""
        return self.entrant.choice

    @property
    def cost(self) -> float:
        """What it costs."""
        return self.entrant.cost

    def against(self, other: Ran) -> Interval:
        """By how much its score is above the other's, paired; the ends are one-sided bounds of 95% each."""
        return (self.score - other.score).interval(ONE_SIDED)

    def surely_better(self, other: Ran) -> bool:
        """Whether its score is beyond chance above the other's."""
        return self.against(other).low > 0


@final
@dataclass(frozen=True)
class Round:
    """A round of a race: all that ran over `blocks` blocks, and those that go on."""

    blocks: int
    ran: tuple[Ran, ...]
    stay: tuple[Ran, ...]


def race(
    entrants: Sequence[Entrant], measure: Measure, *, blocks: int, more: Callable[[], bool], least: int = LEAST
) -> Iterator[Round]:
    """Yield the rounds: 1 block, then twice as many each time up to `blocks`; none is begun where `more()` says no."""
    alive, count = list(dict.fromkeys(entrants)), 1
    while more():
        ran: list[Ran] = []
        for entrant in alive:
            if not more():
                return
            ran.append(Ran(entrant, measure(entrant.choice, count)))
        last = count >= blocks
        stay = ran if last else halved(ran, least)
        yield Round(count, tuple(ran), tuple(stay))
        if last:
            return
        alive, count = [one.entrant for one in stay], min(2 * count, blocks)


def halved(ran: Sequence[Ran], least: int = LEAST) -> list[Ran]:
    """The first, and of those that nothing surely beats the better half, no fewer than `least`."""
    first, others = ran[0], [one for one in ran[1:] if not any(_beats(other, one) for other in ran)]
    room = max(least, -(-len(ran) // 2)) - 1
    kept: list[Ran] = []
    while others and len(kept) < room:
        best = front([first, *others])
        layer = [one for one in others if one in best] or others
        kept += sorted(layer, key=lambda one: -one.score.value)[: room - len(kept)]
        others = [one for one in others if one not in layer]
    return [first, *(one for one in ran if one in kept)]


def front(ran: Sequence[Ran]) -> list[Ran]:
    """Those of which no other is at least as good in score and cost and better in one; cheapest first."""
    return sorted(fronts.front(ran, lambda one: (one.cost, -one.score.value)), key=lambda one: one.cost)


def _beats(a: Ran, b: Ran) -> bool:
    return a is not b and a.cost <= b.cost and a.score.value > b.score.value and a.surely_better(b)
