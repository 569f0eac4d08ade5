"""DDIM (arXiv 2010.02502, equation 12 at sigma = 0), the exponential Euler step of every process; order 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

from torch import Tensor

from dynaxx.noise.denoiser import Denoise
from dynaxx.noise.level import Level
from dynaxx.noise.parameterise import mix
from dynaxx.noise.solve.step import Noise, Step


def euler(x_t: Tensor, x_hat: Tensor, here: Level, there: Level) -> Tensor:
    """x_s = alpha_s x_hat + sigma_s eps_hat, with eps_hat = (x_t - alpha_t x_hat) / sigma_t."""
    share = there.sigma / here.sigma
    if not share:
        return there.alpha * x_hat
    return mix(share, x_t, there.alpha - here.alpha * share, x_hat)


@final
class Ddim:
    """One evaluation per step; on an exploding path it is Euler's method on EDM's ODE, on a flow path on the flow's."""

    def __call__(self, denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise) -> Iterator[Step]:
        """Yield the steps."""
        count = len(levels) - 1
        for i in range(count):
            x_t, x_hat = x, denoise(x, levels[i])
            x = euler(x_t, x_hat, levels[i], levels[i + 1])
            yield Step(i, count, levels[i], x_t, x_hat, x)
