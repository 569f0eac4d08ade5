"""A level of noise: where on a process a signal stands."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Level:
    """The coefficients of `x_t = alpha x + beta U(low) + sigma eps` at one `t`.

    Plain floats where a whole batch shares the level (sampling), tensors of shape `(B, 1, ...)` where every
    sample has its own (training). `std = sigma / alpha` is the level relative to the unscaled signal and
    `logsnr = -2 ln std`; at alpha = 0 they are inf and -inf.
    """

    t: float | Tensor
    alpha: float | Tensor
    sigma: float | Tensor
    beta: float | Tensor = 0.0

    @property
    def std(self) -> float | Tensor:
        """Sigma / alpha, in [0, inf]."""
        if isinstance(self.alpha, Tensor) or isinstance(self.sigma, Tensor):
            return self.sigma / self.alpha
        return self.sigma / self.alpha if self.alpha else math.inf

    @property
    def logsnr(self) -> float | Tensor:
        """-2 ln(sigma / alpha), in [-inf, inf]."""
        std = self.std
        if isinstance(std, Tensor):
            return -2 * std.log()
        return -2 * math.log(std) if std else math.inf


CLEAN = Level(t=0.0, alpha=1.0, sigma=0.0)
"""The end of every path: the signal itself."""
