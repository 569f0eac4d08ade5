"""A high-resolution stage in tiles: each tile with a part of the low input, blended where they overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from dynaxx.noise.denoiser import Input
from dynaxx.spec.graph import Node
from dynaxx.stage.stage import Request

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


def run_tiled(node: Node, tiles: list[Tile], request: Request, run: Callable[[Request], Tensor]) -> Tensor:
    """The node's answer put together: tiles weigh less towards their edges, and each draws its own noise."""
    shape = (len(request.draws.ids), *node.grid.shape)
    total, weight = torch.zeros(shape, device=request.device), torch.zeros(shape[-2:], device=request.device)
    for tile, part in _parts(node, tiles, request):
        share = _share(tile, part.grid.size[-2:], node.grid.size[-2:]).to(request.device)
        total[..., tile.high[0], tile.high[1]] += share * run(part)
        weight[tile.high[0], tile.high[1]] += share
    return (total / weight).to(request.dtype)


def _parts(node: Node, tiles: list[Tile], request: Request) -> Iterator[tuple[Tile, Request]]:
    given = request.inputs["low"]
    for tile in tiles:
        size = (*node.grid.size[:-2], *(part.stop - part.start for part in tile.high))
        draws = request.draws.scoped(f"{request.draws.scope}.tile-{tile.number}")
        grid = replace(node.grid, size=size)
        yield tile, replace(request, grid=grid, draws=draws, inputs={"low": _cut(given, tile, node)})


def _cut(given: Input, tile: Tile, node: Node) -> Input:
    """The part of an input below a tile; it lies on the answer's grid already, or still on its own."""
    resized = tuple(given.x.shape[-2:]) == tuple(node.grid.size[-2:])
    here = tile.high if resized else tile.low
    again = given.redraw
    redraw = None if again is None else lambda number: _cut(again(number), tile, node)
    x, source = given.x[..., here[0], here[1]], given.source[..., tile.low[0], tile.low[1]]
    return replace(given, x=x, source=source, redraw=redraw)


def _cuts(length: int, side: int) -> list[slice]:
    """Pieces of `side` that cover a length, evenly spread, each over at least a quarter of its neighbour."""
    if length <= side:
        return [slice(0, length)]
    count = 1 + -(-(length - side) // max(1, int(side * (1 - OVERLAP))))
    starts = [round(i * (length - side) / (count - 1)) for i in range(count)]
    return [slice(start, start + side) for start in starts]


def _times(part: slice, factor: int) -> slice:
    return slice(part.start * factor, part.stop * factor)


def _share(tile: Tile, size: tuple[int, ...], whole: tuple[int, ...]) -> Tensor:
    """How much a tile counts: 1 inside, falling towards every edge that is not the picture's own."""
    rows, columns = (_ramp(part, n, end) for part, n, end in zip(tile.high, size, whole, strict=True))
    return rows[:, None] * columns[None, :]


def _ramp(part: slice, length: int, end: int) -> Tensor:
    fade = max(1, int(length * OVERLAP))
    rise = torch.arange(1, length + 1) / (fade + 1)
    up = rise.clamp(max=1) if part.start > 0 else torch.ones(length)
    down = rise.flip(0).clamp(max=1) if part.stop < end else torch.ones(length)
    return up * down
