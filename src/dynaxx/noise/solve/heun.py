"""Heun's method (arXiv 2206.00364, algorithm 1, without churn); order 2, two evaluations per step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import final

from torch import Tensor

from dynaxx.noise.denoiser import Denoise
from dynaxx.noise.level import Level
from dynaxx.noise.solve.ddim import euler
from dynaxx.noise.solve.step import Noise, Step


def trapezoid(x_t: Tensor, x_hat: Tensor, ahead: Tensor, x_hat_ahead: Tensor, here: Level, there: Level) -> Tensor:
    """x_s = x_t + (alpha_s - alpha_t) mean(x_hat) + (sigma_s - sigma_t) mean(eps_hat), means over both ends.

    The trapezoid rule on dx_t = x_hat dalpha + eps_hat dsigma: on an exploding path it is EDM's, on a flow path that
    of the velocity. Left in the process' own form, not divided by alpha: so it holds at alpha = 0 too.
    """
    eps = (x_t - here.alpha * x_hat) / here.sigma
    eps_ahead = (ahead - there.alpha * x_hat_ahead) / there.sigma
    signal, grain = (there.alpha - here.alpha) / 2, (there.sigma - here.sigma) / 2
    return x_t + signal * (x_hat + x_hat_ahead) + grain * (eps + eps_ahead)


@final
class Heun:
    """An Euler step, corrected by the estimate at its end; the last step to sigma = 0 stays Euler's."""

    def __call__(self, denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise) -> Iterator[Step]:
        """Yield the steps."""
        count = len(levels) - 1
        for i in range(count):
            here, there = levels[i], levels[i + 1]
            x_t, x_hat = x, denoise(x, here)
            x = euler(x_t, x_hat, here, there)
            if there.sigma:
                x = trapezoid(x_t, x_hat, x, denoise(x, there), here, there)
            yield Step(i, count, here, x_t, x_hat, x)
