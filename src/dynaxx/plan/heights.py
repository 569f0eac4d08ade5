"""The peaks of the memory that a rehearsal holds: of tensors alone, and with a CPU's working copies beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from dynaxx.plan.growth import Powers, Terms, added, as_terms
from dynaxx.plan.scores import Scores


@final
@dataclass
class Heights:
    """`tensors`: peaks of what tensors hold; `at_work`: of what is held while a CPU works with copies beside them.

    The latter come with the scores that attention holds at the same moment, None elsewhere.
    """

    tensors: set[Terms] = field(default_factory=set)
    at_work: set[tuple[Terms, Scores | None]] = field(default_factory=set)

    def add(self, other: Heights) -> None:
        """Another's peaks too."""
        self.tensors |= other.tensors
        self.at_work |= other.at_work

    def raised(self, by: Terms) -> Heights:
        """All of them, so much higher."""
        beside = {(added(one, by), scores) for one, scores in self.at_work}
        return Heights({added(one, by) for one in self.tensors}, beside)

    def undominated(self) -> Heights:
        """Those that can be the highest."""
        beside = {(one, scores) for scores, several in self.by_scores().items() for one in undominated(several)}
        return Heights(set(undominated(self.tensors)), beside)

    def by_scores(self) -> dict[Scores | None, list[Terms]]:
        """Those at work, by the scores beside them."""
        found: dict[Scores | None, list[Terms]] = {}
        for one, scores in self.at_work:
            found.setdefault(scores, []).append(one)
        return found


def undominated(heights: Iterable[Terms]) -> tuple[Terms, ...]:
    """The peaks that can be the highest for some batch and size: none of another's terms is larger throughout."""
    ordered = sorted(set(heights), key=lambda terms: -sum(c for _, c in terms))
    kept: list[dict[Powers, int]] = []
    for terms in ordered:
        mine = dict(terms)
        if not any(all(other.get(powers, 0) >= c for powers, c in mine.items()) for other in kept):
            kept.append(mine)
    return tuple(as_terms(terms) for terms in kept)


@final
@dataclass(frozen=True)
class Matrix:
    """Polynomials as one matrix: a row each, a column for each of `powers`. It answers in microseconds."""

    powers: tuple[Powers, ...]
    coefficients: NDArray[np.float64]

    @classmethod
    def of(cls, several: Collection[Terms]) -> Matrix:
        """The matrix of some polynomials."""
        powers = sorted({power for terms in several for power, _ in terms})
        rows = [[dict(terms).get(power, 0) for power in powers] for terms in several]
        return cls(tuple(powers), np.array(rows, dtype=np.float64))

    def highest(self, units: Sequence[float]) -> float:
        """The largest value; 0 where there are none."""
        if not self.powers:
            return 0.0
        at = np.array([np.prod([u**p for u, p in zip(units, power, strict=True)]) for power in self.powers])
        return float((self.coefficients @ at).max())
