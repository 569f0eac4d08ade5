"""The one seam: everything that samples takes a denoiser, everything foreign is adapted to one.

A denoiser answers `x_hat = E[x | x_t, inputs, condition]`, the clean estimate. Guidance maps a denoiser to a
denoiser, a solver takes one, and networks, exact posteriors and pretrained models are adapted here and nowhere
else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from torch import Tensor

from dynaxx.noise.level import Level


@dataclass(frozen=True)
class Input:
    """A signal handed to a stage beside x_t, with the levels the stage is told.

    `x` lies on the stage's own grid (after upsampling), `source` on the grid it came from (before); noise put on
    `at: low` is in both, noise put on `at: high` only in `x`, and `noise_at` says which. `std` and `blur` are the
    *told* levels (0: clean or untold). The noisy signal is `alpha (low + std eps)`: alpha is 1 in the exploding
    form, 1 / sqrt(1 + std^2) in the preserving one. `redraw(i)` gives the input with fresh noise for network
    evaluation i, where the edge asks for that.
    """

    x: Tensor
    source: Tensor
    std: float | Tensor = 0.0
    blur: float | Tensor = 0.0
    alpha: float | Tensor = 1.0
    noise_at: str = "high"
    kernel: str | tuple[str, ...] = "bicubic-antialias"
    redraw: Callable[[int], Input] | None = None

    def at(self, evaluation: int) -> Input:
        """This input as network evaluation number `evaluation` sees it."""
        return self.redraw(evaluation) if self.redraw else self

    def twice(self) -> Input:
        """The input for a batch that holds every sample twice (conditional, then unconditional)."""
        return replace(
            self,
            x=_twice(self.x),
            source=_twice(self.source),
            std=_twice(self.std),
            blur=_twice(self.blur),
            alpha=_twice(self.alpha),
        )


def _twice(value: Any) -> Any:
    return value.repeat(2, *[1] * (value.ndim - 1)) if isinstance(value, Tensor) and value.ndim else value


class Condition(Protocol):
    """What the samples of a batch are asked for; the stage room defines what it holds."""

    def null(self) -> Condition:
        """The same batch asked for nothing."""

    def joined(self, other: Condition) -> Condition:
        """This batch followed by another."""


class Denoiser(Protocol):
    """`(x_t, level, inputs, condition) -> x_hat`, all tensors of shape `(B, C, *size)`."""

    def __call__(self, x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        """The clean estimate of `x_t`."""


Denoise = Callable[[Tensor, Level], Tensor]
"""A denoiser with its inputs and condition bound: what a solver takes."""
