"""Which levels a process reaches, told without torch: what can be handed over, or started at, lies between."""

from __future__ import annotations

import math

from dynaxx.spec.process import Bounded, DdpmLinearProcess, KarrasProcess, ProcessSpec, Shiftable, TruncatedProcess


def reach(process: ProcessSpec, sites: int) -> tuple[float, float]:
    """The std at t = 0 and at t = 1 on a grid of so many sites."""
    if isinstance(process, KarrasProcess):
        return process.std_min, process.std_max
    if isinstance(process, TruncatedProcess):
        return process.end, math.inf
    low, high = 0.0, _top(process) if isinstance(process, DdpmLinearProcess) else math.inf
    if isinstance(process, Shiftable) and process.reference:
        high *= math.sqrt(sites / math.prod(process.reference))
    if isinstance(process, Bounded):
        bound = math.exp(process.logsnr_max / 2)
        low, high = 1 / bound, min(high, bound)
    return low, high


def _top(process: DdpmLinearProcess) -> float:
    """Std at the last timestep: alpha_bar = prod(1 - beta), beta or its root linear (arXiv 2006.11239, 2112.10752)."""
    power = 2 if process.betas == "scaled-linear" else 1
    first, last = process.beta_start ** (1 / power), process.beta_end ** (1 / power)
    step = (last - first) / max(process.timesteps - 1, 1)
    fall = -math.fsum(math.log1p(-((first + step * i) ** power)) for i in range(process.timesteps))
    return math.sqrt(math.expm1(fall)) if fall < 700 else math.inf
