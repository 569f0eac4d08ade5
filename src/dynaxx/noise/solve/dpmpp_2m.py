"""DPM-Solver++ 2M (arXiv 2211.01095, algorithm 2); order 2, one evaluation per step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import final

import torch
from torch import Tensor

from dynaxx.noise.denoiser import Denoise
from dynaxx.noise.level import Level
from dynaxx.noise.solve.ddim import euler
from dynaxx.noise.solve.step import Noise, Step


def weight_of_change(before: Level, here: Level, there: Level) -> float:
    """The weight 1 / (2 r) of x_hat's last change, r = h_last / h, h a step in lambda = -ln std.

    It is 0 (a first-order step) where lambda is infinite at an end, or a step has no length.
    """
    before_std, here_std, there_std = float(before.std), float(here.std), float(there.std)
    if not there_std or math.isinf(before_std) or before_std == here_std:
        return 0.0
    return math.log(here_std / there_std) / math.log(before_std / here_std) / 2


@final
class Dpmpp2m:
    """The Euler step on x_hat, extrapolated from the last two estimates to the middle of the step."""

    def __call__(self, denoise: Denoise, x: Tensor, levels: Sequence[Level], noise: Noise) -> Iterator[Step]:
        """Yield the steps."""
        count = len(levels) - 1
        last = x
        for i in range(count):
            x_t, x_hat = x, denoise(x, levels[i])
            weight = weight_of_change(*levels[i - 1 : i + 2]) if i else 0.0
            ahead = torch.lerp(last, x_hat, 1 + weight) if weight else x_hat
            x, last = euler(x_t, ahead, levels[i], levels[i + 1]), x_hat
            yield Step(i, count, levels[i], x_t, x_hat, x)
