"""Explanations that can be tried out: changes that, were they the fault, would put the answers right when undone.

Each is tried on the answers, and for stages with a low input on what the stage is given. The share of the misfit that
is gone afterwards says how well it explains; nothing is assumed of what the stage is inside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import final

import torch
from torch import Tensor

from dynaxx.lens.misfit import Pair, channel_means
from dynaxx.lens.signs import band_amplitudes, fine_octaves, power
from dynaxx.signal.bands import band_split

MOST_CHANNELS = 4
"""Orders of more channels are too many to try."""


@final
@dataclass(frozen=True)
class Undo:
    """`kind` of fault, what it `says`, and how to undo it on signals; `free` counts the numbers that were fitted."""

    kind: str
    says: str
    apply: Callable[[Tensor], Tensor]
    free: int = 0


def fixed(x: Tensor) -> Iterator[Undo]:
    """Changes without a number to fit, for signals like `x`."""
    yield Undo("range", "values lie in [0, 1] where [-1, 1] is due", lambda s: 2 * s - 1)
    yield Undo("range", "values are treated as if in [0, 1]", lambda s: (s + 1) / 2)
    yield Undo("range", "values are negated", lambda s: -s)
    channels = x.shape[1]
    if 1 < channels <= MOST_CHANNELS:
        for order in list(permutations(range(channels)))[1:]:
            back = sorted(range(channels), key=order.__getitem__)
            says = f"channels come in the order {list(order)}"
            yield Undo("channel-order", says, partial(_reordered, order=back))
    yield from _turned(x)


def _reordered(x: Tensor, *, order: list[int]) -> Tensor:
    return x[:, order]


def _turned(x: Tensor) -> Iterator[Undo]:
    rank = x.ndim - 2
    for axis in range(rank):
        yield Undo("geometry", f"axis {axis} is mirrored", partial(torch.flip, dims=(axis - rank,)))
    if rank >= 2:
        yield Undo("geometry", "the last two axes are mirrored", lambda s: s.flip(-1, -2))
    if rank >= 2 and x.shape[-1] == x.shape[-2]:
        yield Undo("geometry", "the last two axes are exchanged", lambda s: s.transpose(-1, -2))
        yield Undo("geometry", "it is turned by 90 degrees", lambda s: torch.rot90(s, -1, (-2, -1)))
        yield Undo("geometry", "it is turned by 270 degrees", lambda s: torch.rot90(s, 1, (-2, -1)))


def fitted(x: Tensor, truth: Tensor) -> Iterator[Undo]:
    """Changes whose numbers follow from the sets: a cast, a squeezed contrast."""
    shift = (channel_means(x) - channel_means(truth)).reshape(1, -1, *[1] * (x.ndim - 2)).to(x.dtype)
    yield Undo("colour-cast", "the mean colour is off", lambda s: s - shift, x.shape[1])
    scale = float((power(x).mean() / power(truth).mean().clamp_min(1e-12)).sqrt())
    if scale < 1e-3:
        return
    ours, theirs = channel_means(x), channel_means(truth)
    offset = float((ours - scale * theirs).mean())
    yield Undo("contrast", f"contrast is {scale:.2f} of what it should be", lambda s: (s - offset) / scale, 2)


def equalised(pair: Pair) -> Undo:
    """The amplitudes of all bands, but for the mean, brought to those of the truth."""
    edges = fine_octaves(tuple(pair.truth.shape[2:]))
    ours, theirs = (band_amplitudes(signals).mean(0) for signals in (pair.x, pair.truth))
    gain = (theirs / ours.clamp_min(1e-12)).sqrt().clamp(max=100.0)
    gain[0] = 1.0

    def apply(x: Tensor) -> Tensor:
        parts = band_split(x, edges)
        return (parts * gain.to(parts.dtype).reshape(-1, *[1] * (parts.ndim - 1))).sum(0)

    return Undo("over-smoothed", "fine detail is missing", apply, len(gain) - 1)
