"""Noise put on an input: the forward process itself, at the level that the stage is told."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.noise.level import Level


def augment_level(std: float | Tensor, form: Literal["exploding", "preserving"]) -> Level:
    """The level of std in a form: alpha = 1, or alpha = 1 / sqrt(1 + std^2); t is not used and 0."""
    alpha = 1.0 if form == "exploding" else (1 + std * std) ** -0.5
    return Level(t=0.0, alpha=alpha, sigma=alpha * std)


def forward(x: Tensor, eps: Tensor, level: Level, low: Tensor | None = None) -> Tensor:
    """x_t = alpha x + beta U(low) + sigma eps; `low` is on the grid of x and needed only where beta > 0."""
    x_t = level.alpha * x + level.sigma * eps
    if low is not None:
        return x_t + level.beta * low
    if isinstance(level.beta, Tensor) or level.beta:
        raise UsageError("forward", "a truncated process adds beta U(low), and no low is given.", "Pass `low`.")
    return x_t


def noised(low: Tensor, std: float | Tensor, eps: Tensor, form: Literal["exploding", "preserving"]) -> Tensor:
    """`low + std eps`, over sqrt(1 + std^2) in the preserving form; std a number or `(B, 1, ...)`."""
    return forward(low, eps, augment_level(std, form))
