"""What a solver yields: one named step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from dynaxx.noise.denoiser import Denoise
from dynaxx.noise.level import Level


@dataclass(frozen=True)
class Step:
    """One step of a path: it stood at `x_t` on `level`, estimated `x_hat`, and moved to `x_next`."""

    index: int
    count: int
    level: Level
    x_t: Tensor
    x_hat: Tensor
    x_next: Tensor


Noise = Callable[[int], Tensor]
"""`noise(i)`: standard normal noise for step i, shaped as the state."""


class Solver(Protocol):
    """A walk along levels `l_0 .. l_n` from `x` at `l_0` to the answer at `l_n`, as a generator of n steps."""

    def __call__(self, denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise) -> Iterator[Step]:
        """Yield the steps; the last one's `x_next` is the answer."""
