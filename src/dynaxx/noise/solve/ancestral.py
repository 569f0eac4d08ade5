"""The ancestral solver: an Euler step too far down, and fresh noise up again; weak order 1."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import final

from torch import Tensor

from dynaxx.noise.denoiser import Denoise
from dynaxx.noise.level import Level
from dynaxx.noise.solve.ddim import euler
from dynaxx.noise.solve.step import Noise, Step


def fresh_std(here: Level, there: Level, eta: float) -> float:
    """The std of the fresh noise, relative to the signal: eta std_s sqrt(1 - std_s^2 / std_t^2), at most std_s.

    At eta = 1 it is the spread of the posterior q(x_s | x_t, x) of DDPM (arXiv 2006.11239, equation 7); 0 is DDIM.
    """
    std = float(there.std)
    return eta * std * math.sqrt(max(1 - (std / float(here.std)) ** 2, 0.0))


@final
@dataclass(frozen=True)
class Ancestral:
    """x_s = alpha_s x_hat + sqrt(sigma_s^2 - up^2) eps_hat + up z, up = alpha_s fresh_std, z = noise(i)."""

    eta: float = 1.0

    def __call__(self, denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise) -> Iterator[Step]:
        """Yield the steps."""
        count = len(levels) - 1
        for i in range(count):
            here, there = levels[i], levels[i + 1]
            x_t, x_hat = x, denoise(x, here)
            up = there.alpha * fresh_std(here, there, self.eta)
            x = euler(x_t, x_hat, here, replace(there, sigma=math.sqrt(max(there.sigma**2 - up**2, 0.0))))
            if up:
                x = x + up * noise(i)
            yield Step(i, count, here, x_t, x_hat, x)
