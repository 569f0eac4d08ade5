"""The rule on tiles: which stages can be cut up, and why the others cannot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.grid import Grid, by_x
from dynaxx.spec.grids import Grids
from dynaxx.spec.rules_edges import Fault
from dynaxx.spec.stage import StageSpec
from dynaxx.spec.topology import reads

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def tiled(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """A stage that is told to work in tiles can be cut up."""
    problem = uncut(spec, stage, grids) if stage.tile is not None else ""
    if problem:
        yield "tile", problem, "Remove `tile`."


def uncut(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> str:
    """Why a stage cannot work in tiles; empty where it can, or where nobody knows its grids yet.

    A tile takes its part of one finished signal, and each of its sites stands for a whole number of the answer's.
    """
    low = stage.inputs.get("low")
    if low is None or len(stage.inputs) > 1:
        return f"cuts up a stage that reads `low` alone, and this one reads {', '.join(stage.inputs) or 'nothing'}."
    handed = [edge for other in spec.stages for edge in other.inputs.values() if stage.name in reads(edge)]
    if any(edge.hand == "noisy" for edge in (low, *handed)):
        return "cuts up a finished signal, and this one is handed over unfinished."
    for number, out in enumerate(grids.outs[stage.name], 1):
        given = grids.low(stage, "low", number)
        if out and given and not _whole(given, out):
            sizes = f"this one takes {by_x(given.size)} to {by_x(out.size)}"
            return f"cuts up a stage that grows height and width a whole number of times, and {sizes}."
    return ""


def _whole(low: Grid, out: Grid) -> bool:
    both = len(low.size) >= 2 and len(out.size) >= 2
    return both and all(n % m == 0 for n, m in zip(out.size[-2:], low.size[-2:], strict=True))


RULES = (tiled,)
