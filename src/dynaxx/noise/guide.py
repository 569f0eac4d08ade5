"""Guidance and clipping: from a denoiser to a denoiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

from dynaxx.noise.denoiser import Condition, Denoiser, Input
from dynaxx.noise.level import Level


@final
@dataclass(frozen=True)
class Guided:
    """x_u + scale (x_c - x_u) on clean estimates, conditional and unconditional in one batch (arXiv 2207.12598).

    Applied where std lies in `interval`, (low, high] (arXiv 2404.07724); elsewhere, and at scale 1, the plain
    conditional estimate at half the cost. Scale 0 is unconditional.
    """

    denoiser: Denoiser
    scale: float = 1.0
    interval: tuple[float, float] | None = None

    def __call__(self, x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        """The guided clean estimate of `x_t`; `level` is shared by the batch."""
        if self.scale == 1 or not self._inside(level):
            return self.denoiser(x_t, level, inputs, condition)
        if self.scale == 0:
            return self.denoiser(x_t, level, inputs, condition.null())
        twice = {name: value.twice() for name, value in inputs.items()}
        both = self.denoiser(torch.cat([x_t, x_t]), level, twice, condition.joined(condition.null()))
        given, without = both.chunk(2)
        return without + self.scale * (given - without)

    def _inside(self, level: Level) -> bool:
        return self.interval is None or bool(self.interval[0] < level.std <= self.interval[1])


@final
@dataclass(frozen=True)
class Clipped:
    """Clean estimates kept in [-1, 1].

    `static` clamps. `dynamic` clamps at the 99.5% quantile of |x_hat| per sample where that is above 1, and divides by
    it (arXiv 2205.11487, section 2.3).
    """

    denoiser: Denoiser
    how: Literal["static", "dynamic"] = "static"

    def __call__(self, x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        """The clean estimate of `x_t`, in [-1, 1]."""
        x_hat = self.denoiser(x_t, level, inputs, condition)
        if self.how == "static":
            return x_hat.clamp(-1, 1)
        bound = _quantile(x_hat.abs().flatten(1), 0.995).clamp(min=1).reshape(-1, *[1] * (x_hat.ndim - 1))
        return x_hat.clamp(-bound, bound) / bound


def _quantile(values: Tensor, share: float) -> Tensor:
    """The quantile of each row, by linear interpolation; torch's own refuses rows above 2^24 numbers and halves."""
    place = share * (values.shape[1] - 1)
    left = int(place)
    below = values.float().kthvalue(left + 1, dim=1).values
    above = values.float().kthvalue(min(left + 2, values.shape[1]), dim=1).values
    return torch.lerp(below, above, place - left).to(values.dtype)
