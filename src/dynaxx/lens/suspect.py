"""A stage under suspicion, with the means to try it again, and what an explanation of its fault is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

from torch import Tensor

from dynaxx.lens.misfit import Pair, beyond_chance, strayed

ENOUGH = 0.7
"""The least share of the misfit that an explanation takes away."""
HANDICAP = 0.01
"""What a fitted number costs, in shares explained: of two that explain as much, the simpler one is named."""
ALIKE = 1.25
"""Powers within this factor of each other are alike."""
MOST_AREA = 0.5
"""A patch that covers more of the grid than this is no patch."""
Rerun = Callable[[Tensor], Tensor]
"""The stage's answers to another low input in the place of the true one."""


@final
@dataclass(frozen=True)
class Explanation:
    """`kind` of fault, what it says, the share of the misfit it explains, and whether it sits on the input.

    It counts from a share of `least` on. `part` is the kind of what explains most where nothing explains enough.
    """

    kind: str
    says: str
    share: float
    at_input: bool = False
    score: float = 0.0
    least: float = ENOUGH
    part: str | None = None


@final
@dataclass(frozen=True)
class Suspect:
    """A stage under suspicion: its answers to true inputs, and the means to try it again on `few` of them.

    `down` shrinks answers to the low grid; `rerun` answers to other low inputs with the same random numbers, `again`
    to the true ones with others; `blind` is the share of its low input that it does not look at, or what was not tried.
    """

    pair: Pair
    alarms: frozenset[str]
    strongest: str = ""
    down: Callable[[Tensor], Tensor] | None = None
    few: Pair | None = None
    rerun: Rerun | None = None
    again: Callable[[], Tensor] | None = None
    blind: Callable[[], float | str | None] | None = None
    kernel: tuple[str, ...] = ()

    def changed(self, x: Tensor, pair: Pair | None = None) -> Pair:
        """A pair, all of them or the few, with other answers."""
        return replace(pair or self.pair, x=x, shrunk=None if self.down is None else self.down(x))


def scored(
    kind: str, says: str, share: float, free: float = 0, *, at_input: bool = False, least: float = ENOUGH
) -> Explanation:
    """An explanation with its score: what it explains, less what the numbers that were fitted cost."""
    return Explanation(kind, says, share, at_input, share - HANDICAP * free, least)


def astray(pair: Pair) -> bool:
    """Whether straying from the low input is most of what is wrong."""
    return strayed(pair) > beyond_chance(pair) / 2
