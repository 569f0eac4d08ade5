"""Who reads whom: the stages that a stage reads, and an order in which all can run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynaxx.spec.edge import EdgeSpec
    from dynaxx.spec.stage import StageSpec

INPUT = "input."
"""What a parent's name begins with where the user brings the signal."""


def reads(edge: EdgeSpec) -> tuple[str, ...]:
    """All that an edge reads: its parents, and its mask."""
    return edge.parents + ((edge.mask,) if edge.mask and edge.mask not in edge.parents else ())


def upstream(stage: StageSpec) -> tuple[str, ...]:
    """The names of the stages that a stage reads, each once."""
    found = [name for edge in stage.inputs.values() for name in reads(edge) if not name.startswith(INPUT)]
    return tuple(dict.fromkeys(found))


def order(stages: Sequence[StageSpec]) -> list[int]:
    """Indices of the stages, each after those it reads, in file order where that is free; a cycle's are left out."""
    waiting, done, found = list(range(len(stages))), set[str](), list[int]()
    while ready := [i for i in waiting if done.issuperset(upstream(stages[i]))]:
        found.append(ready[0])
        done.add(stages[ready[0]].name)
        waiting.remove(ready[0])
    return found
