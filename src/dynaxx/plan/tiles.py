"""Where the tiles of a high-resolution stage lie: as large as the stage's `tile` says, overlapping by a quarter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

from dynaxx.spec.graph import Node

OVERLAP = 0.25
"""Of a tile, shared with its neighbour."""


@final
@dataclass(frozen=True)
class Tile:
    """One tile: where it lies on the low input's grid and on the answer's, along height and width."""

    number: int
    low: tuple[slice, slice]
    high: tuple[slice, slice]


def tiles_of(node: Node) -> list[Tile]:
    """The tiles, as large as the stage's `tile` says, that cover a node; none where its low input is no larger."""
    side = node.stage.tile
    low = node.inputs["low"].grid.size[-2:] if side is not None else ()
    if side is None or all(n <= side for n in low):
        return []
    factors = [out // n for out, n in zip(node.grid.size[-2:], low, strict=True)]
    rows, columns = (_cuts(n, side) for n in low)
    pairs = [(y, x) for y in rows for x in columns]
    return [Tile(number, (y, x), (_times(y, factors[0]), _times(x, factors[1]))) for number, (y, x) in enumerate(pairs)]


def one_tile(node: Node) -> tuple[Node, int]:
    """The node on the grid of one tile, and how many tiles there are; the node itself where it has none.

    Tiles are of one size.
    """
    tiles = tiles_of(node)
    if not tiles:
        return node, 1
    size = (*node.grid.size[:-2], *(part.stop - part.start for part in tiles[0].high))
    return replace(node, grid=replace(node.grid, size=size)), len(tiles)


def _cuts(length: int, side: int) -> list[slice]:
    """Pieces of `side` that cover a length, evenly spread, each over at least a quarter of its neighbour."""
    if length <= side:
        return [slice(0, length)]
    count = 1 + -(-(length - side) // max(1, int(side * (1 - OVERLAP))))
    starts = [round(i * (length - side) / (count - 1)) for i in range(count)]
    return [slice(start, start + side) for start in starts]


def _times(part: slice, factor: int) -> slice:
    return slice(part.start * factor, part.stop * factor)
