"""A curve that is a table of discrete timesteps, as DDPM and its descendants have it."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from dynaxx.noise.curve import Pair, library


@final
@dataclass(frozen=True)
class Table:
    """A table of -ln alpha_bar over T discrete timesteps; t = (i + 1) / T is timestep i, between them linear.

    `fall[0] = 0` stands for t = 0, `fall[i + 1]` for timestep i.
    """

    fall: tuple[float, ...]
    clean: bool = True

    @classmethod
    def of_betas(cls, timesteps: int, first: float, last: float, *, roots: bool) -> Table:
        """alpha_bar = prod(1 - beta), beta linear from first to last, or its root is (arXiv 2006.11239, 2112.10752)."""
        power = 2 if roots else 1
        low, high = first ** (1 / power), last ** (1 / power)
        fall = [0.0]
        for i in range(timesteps):
            beta = (low + (high - low) * i / max(timesteps - 1, 1)) ** power
            fall.append(fall[-1] - math.log1p(-beta))
        return cls(tuple(fall))

    def ratio(self, t: float | Tensor) -> Pair:
        """The roots of alpha_bar and of 1 - alpha_bar."""
        lib, fall = library(t), self._tensor_at(t) if isinstance(t, Tensor) else self._at(t)
        return lib.exp(-fall / 2), (-lib.expm1(-fall)) ** 0.5

    def _at(self, t: float) -> float:
        place = t * (len(self.fall) - 1)
        left = min(int(place), len(self.fall) - 2)
        return self.fall[left] + (place - left) * (self.fall[left + 1] - self.fall[left])

    def _tensor_at(self, t: Tensor) -> Tensor:
        table = _as_tensor(self.fall).to(t.dtype).to(t.device)
        place = t * (len(self.fall) - 1)
        left = place.long().clamp(0, len(self.fall) - 2)
        return torch.lerp(table[left], table[left + 1], place - left)

    def t_of_ratio(self, ratio: float) -> float:
        """Where -ln alpha_bar = ln(1 + ratio^2)."""
        fall = math.log1p(ratio * ratio)
        right = min(max(bisect_left(self.fall, fall), 1), len(self.fall) - 1)
        below, above = self.fall[right - 1], self.fall[right]
        return (right - 1 + (fall - below) / (above - below)) / (len(self.fall) - 1)


@lru_cache(maxsize=8)
def _as_tensor(values: tuple[float, ...]) -> Tensor:
    with torch.inference_mode(False):  # what is kept must also serve where gradients are wanted
        return torch.tensor(values, dtype=torch.float64)
