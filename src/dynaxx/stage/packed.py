"""Tensors side by side in a few long pieces of memory, so that a copy of them all is a few long copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

PIECE = 2**28
"""Bytes of a piece, a power of two: CUDA takes page-locked memory in such, so that tensors which are locked one by one
hold a third more than they have, and up to twice as much."""
GRAIN = 512
"""Places begin at multiples of it, as CUDA's own allocator has them."""


@final
@dataclass(frozen=True)
class Spot:
    """Where in a piece a tensor lies; one without a beginning is the piece itself."""

    piece: int
    begin: int | None = None
    dtype: torch.dtype = torch.uint8
    size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()

    def of(self, pieces: Sequence[Tensor]) -> Tensor:
        """The tensor."""
        piece = pieces[self.piece]
        if self.begin is None:
            return piece
        count = torch.Size(self.size).numel() * self.dtype.itemsize
        return piece[self.begin : self.begin + count].view(self.dtype).as_strided(self.size, self.stride)


@final
@dataclass(frozen=True)
class Packed:
    """Pieces of memory, and where in them each tensor lies."""

    pieces: list[Tensor]
    spots: list[Spot]

    def tensors(self) -> list[Tensor]:
        """The tensors, in the order in which they were packed."""
        return [spot.of(self.pieces) for spot in self.spots]

    def on(self, device: torch.device) -> Packed:
        """As much memory on a device, with nothing in it."""
        return Packed([torch.empty_like(piece, device=device) for piece in self.pieces], self.spots)


def pack(tensors: Sequence[Tensor], take: Callable[[int], Tensor | None]) -> Packed:
    """Copies of tensors in pieces that `take` gives, of so many bytes; where it gives none, themselves, on the CPU."""
    pieces, spots = list[Tensor](), dict[int, Spot]()
    for group, used in _groups(tensors):
        piece = take(used) if type(tensors[group[0][0]]) is Tensor else None
        for i, begin in group:
            spots[i] = Spot(len(pieces)) if piece is None else _spot(len(pieces), begin, tensors[i])
            if piece is None:
                pieces.append(tensors[i].cpu())
        if piece is not None:
            pieces.append(piece)
            for i, _ in group:
                spots[i].of(pieces).copy_(tensors[i])
    return Packed(pieces, [spots[i] for i in range(len(tensors))])


def _groups(tensors: Sequence[Tensor]) -> Iterator[tuple[list[tuple[int, int]], int]]:
    """Which tensors go into a piece, each with its beginning, and the bytes that they take.

    Those that are more than numbers in memory (quantised ones) are by themselves.
    """
    group, used = list[tuple[int, int]](), 0
    for i, x in enumerate(tensors):
        if type(x) is not Tensor:
            yield [(i, 0)], 0
            continue
        count = x.numel() * x.element_size()
        if group and used + count > PIECE:
            yield group, used
            group, used = [], 0
        group.append((i, used))
        used += -(-count // GRAIN) * GRAIN
    if group:
        yield group, used


def _spot(piece: int, begin: int, x: Tensor) -> Spot:
    """For a tensor laid out as a copy of it would be."""
    return Spot(piece, begin, x.dtype, tuple(x.shape), torch.empty_like(x, device="meta").stride())
