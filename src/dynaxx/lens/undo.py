"""Explanations that can be tried out: changes that, were they the fault, would put the answers right when undone.

Each is tried on the answers, and for stages with a low input on what the stage is given. The share of the misfit that
is gone afterwards says how well it explains; nothing is assumed of what the stage is inside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from typing import final

import torch
from torch import Tensor

from dynaxx.lens.misfit import Pair, channel_means, mode_amplitudes
from dynaxx.lens.signs import EVEN, fine_octaves, power
from dynaxx.signal.bands import radial_frequency

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
    kind, says = "contrast", f"contrast is {scale:.2f} of what it should be"
    if abs(math.log(scale)) < EVEN:
        kind, says = "colour-cast", f"brightness is off by {offset:+.2f}"
    yield Undo(kind, says, lambda s: (s - offset) / scale, 2)


def equalised(pair: Pair) -> Undo:
    """The amplitudes of all frequencies, whatever their direction, brought to those of the truth, but for the mean."""
    size = tuple(pair.truth.shape[2:])
    shell = (radial_frequency(size) * max(size)).round().long()  # half a mode wide
    ours, theirs = (_by_shell(mode_amplitudes(signals).square(), shell) for signals in (pair.x, pair.truth))
    gain = (theirs / ours.clamp_min(1e-12)).sqrt().clamp(max=100.0)
    gain[0] = 1.0

    def apply(x: Tensor) -> Tensor:
        axes = tuple(range(2, x.ndim))
        return torch.fft.ifftn(torch.fft.fftn(x, dim=axes) * gain[shell].to(x.dtype), dim=axes).real

    return Undo("over-smoothed", "fine detail is missing", apply, len(fine_octaves(size)))


def _by_shell(power: Tensor, shell: Tensor) -> Tensor:
    """The sum over the modes of each shell."""
    found = torch.zeros(int(shell.max()) + 1, dtype=power.dtype)
    return found.scatter_add_(0, shell.flatten(), power.flatten())
