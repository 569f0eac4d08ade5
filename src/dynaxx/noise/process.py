"""The forward process `x_t = alpha x + beta U(low) + sigma eps`: a curve of std over t, and a form that splits it.

    form           alpha and sigma of a level std          kinds
    preserving     alpha^2 + sigma^2 = 1                   cosine, sigmoid, ddpm-linear
    exploding      alpha = 1, sigma = std                  karras
    interpolating  alpha + sigma = 1                       flow
    truncated      alpha = 1 - t, sigma from start to end  truncated (beta = t)

t = 0 is clean, t = 1 the start of sampling. Everything takes python floats (sampling: no tensor, no device) or
tensors of any shape (training), and is finite at both ends, where std may be 0 or inf.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, final

from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.noise.curve import Cosine, Curve, Flow, Karras, Sigmoid, Truncated, larger
from dynaxx.noise.level import CLEAN, Level
from dynaxx.noise.table import Table
from dynaxx.spec.grid import Grid
from dynaxx.spec.process import (
    CosineProcess,
    DdpmLinearProcess,
    FlowProcess,
    KarrasProcess,
    ProcessSpec,
    SigmoidProcess,
    TruncatedProcess,
)

Form = Literal["preserving", "exploding", "interpolating", "truncated"]
Spacing = Literal["t", "logsnr"]

LOG_STD_ENDS = 7.5
"""Where |ln std| of levels uniform in log-SNR ends if the process itself has no finite end: log-SNR 15."""


@final
@dataclass(frozen=True)
class Process:
    """A curve, put in a form, with its std multiplied by `shift` and then kept in [std_low, std_high].

    `std_data` is the spread of the data that EDM's preconditioning assumes.
    """

    form: Form
    curve: Curve
    shift: float = 1.0
    std_low: float = 0.0
    std_high: float = math.inf
    std_data: float = 0.5

    def level(self, t: float | Tensor) -> Level:
        """The level at t in [0, 1]; its fields have the shape of t."""
        signal, noise = self._ratio(t)
        if self.form == "truncated":
            return Level(t, signal, noise, beta=t)
        if self.form == "exploding":
            return Level(t, signal, noise / signal)
        total = signal + noise if self.form == "interpolating" else (signal * signal + noise * noise) ** 0.5
        return Level(t, signal / total, noise / total)

    def _ratio(self, t: float | Tensor) -> tuple[float | Tensor, float | Tensor]:
        """Std as `noise / signal`, undivided, since signal may be 0."""
        signal, noise = self.curve.ratio(t)
        noise = noise * self.shift
        signal = larger(signal, noise / self.std_high)
        return signal, larger(noise, signal * self.std_low)

    def std(self, t: float) -> float:
        """Sigma / alpha at t, increasing, in [0, inf]."""
        signal, noise = self._ratio(t)
        return float(noise / signal) if signal else math.inf

    def t_of_std(self, std: float) -> float:
        """The t at which sigma / alpha is `std`; 0 or 1 where no t reaches it."""
        if std >= self.std(1.0):
            return 1.0
        if std <= self.std(0.0):
            return 0.0
        return min(max(self.curve.t_of_ratio(std / self.shift), 0.0), 1.0)

    def levels(
        self, steps: int, *, spacing: Spacing = "t", start_std: float | None = None, stop_std: float | None = None
    ) -> list[Level]:
        """The `steps + 1` levels of a sampling path, from t = 1 (or `start_std`) to CLEAN (or `stop_std`).

        Uniform in t, the last of them replaced by CLEAN; where the curve does not end clean (karras, a truncated
        process with `end`), `steps` levels run down to its end and CLEAN follows, as in EDM (arXiv 2206.00364,
        equation 5). Uniform in log-SNR, CLEAN always follows.

        Raises:
            UsageError: if start and stop leave nothing to walk, or lie outside the process.
        """
        start = self._start(start_std, stop_std)
        last = steps if stop_std or (spacing == "t" and self.curve.clean) else max(steps - 1, 1)
        stop = self.t_of_std(stop_std) if stop_std else 0.0
        path = self._uniform_t if spacing == "t" else self._uniform_logsnr
        levels = [self.level(t) for t in path(start, stop, last)]
        return levels if stop_std else [*levels[:steps], CLEAN]

    def _start(self, start_std: float | None, stop_std: float | None) -> float:
        low = self.std(0.0)
        high = self.std(1.0) if start_std is None else start_std
        least = max(low, stop_std or 0.0)
        if not least < high <= self.std(1.0) * (1 + 1e-9) or (stop_std and stop_std < low * (1 - 1e-9)):
            problem = f"a path from std {high:g} to {stop_std or 0.0:g} does not lie within this process,"
            raise UsageError("levels", f"{problem} which goes from {self.std(1.0):g} to {low:g}.")
        return self.t_of_std(high)

    def _uniform_t(self, start: float, stop: float, count: int) -> list[float]:
        return [start + (stop - start) * i / count for i in range(count)] + [stop]

    def _uniform_logsnr(self, start: float, stop: float, count: int) -> list[float]:
        top, bottom = -self.level(start).logsnr / 2, -self.level(stop).logsnr / 2
        first = top if math.isfinite(top) else max(LOG_STD_ENDS, bottom + LOG_STD_ENDS)
        last = bottom if math.isfinite(bottom) else min(-LOG_STD_ENDS, first - LOG_STD_ENDS)
        between = [self.t_of_std(math.exp(first + (last - first) * i / count)) for i in range(1, count + 1)]
        return [start, *between]


@lru_cache(maxsize=64)
def make_process(spec: ProcessSpec, grid: Grid | None = None) -> Process:
    """The process of a spec, shifted to the size of `grid` where the spec has a `reference`.

    Log-SNR rises by ln(N_ref / N), so std is multiplied by sqrt(N / N_ref) (arXiv 2301.11093, section 3.1).
    """
    match spec:
        case KarrasProcess():
            return Process("exploding", Karras(spec.std_min, spec.std_max, spec.rho), std_data=spec.std_data)
        case TruncatedProcess():
            return Process("truncated", Truncated(spec.start, spec.end))
        case FlowProcess():
            return Process("interpolating", Flow(), shift=_shift(spec.reference, grid))
        case CosineProcess():
            curve: Curve = Cosine()
        case SigmoidProcess():
            curve = Sigmoid(spec.start, spec.end, spec.temperature)
        case DdpmLinearProcess():
            curve = Table.of_betas(spec.timesteps, spec.beta_start, spec.beta_end, roots=spec.betas == "scaled-linear")
    high = math.exp(spec.logsnr_max / 2)
    return Process("preserving", curve, shift=_shift(spec.reference, grid), std_low=1 / high, std_high=high)


def _shift(reference: tuple[int, ...] | None, grid: Grid | None) -> float:
    if reference is None:
        return 1.0
    if grid is None:
        raise UsageError("make_process", f"needs the grid, since the process is shifted from {reference}.")
    return math.sqrt(grid.sites / math.prod(reference))
