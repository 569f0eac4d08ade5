"""A high-resolution stage in tiles: each tile with a part of the low input, blended where they overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

from dynaxx.noise.denoiser import Input
from dynaxx.plan.tiles import OVERLAP, Tile
from dynaxx.spec.graph import Node
from dynaxx.stage.stage import Request


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
