"""Which forward process a stage is trained and sampled with: `x_t = alpha x + beta U(low) + sigma eps`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Tag, model_validator

from dynaxx.spec.base import Positive, Sizes, Spec, Std, kind_or

TEMPERATURES = 40
"""How far from 0 a sigmoid may start and end, in temperatures: beyond, its ends are flat to the last digit."""


class Shiftable(Spec):
    """A process that starts at pure noise, and so may be shifted to the grid's size.

    With `reference` set, log-SNR is shifted by `ln(N_ref / N)`, N the number of sites (arXiv 2301.11093).
    """

    reference: Sizes | None = None


class Bounded(Shiftable):
    """A process whose log-SNR is clipped to [-logsnr_max, logsnr_max], after the shift."""

    logsnr_max: Annotated[float, Field(gt=0, le=100)] = 15.0


class CosineProcess(Bounded):
    """alpha = cos(pi t / 2), sigma = sin(pi t / 2) (arXiv 2102.09672)."""

    kind: Literal["cosine"] = "cosine"


class SigmoidProcess(Bounded):
    """alpha^2 falls along a sigmoid between `start` and `end` (arXiv 2212.11972, appendix)."""

    kind: Literal["sigmoid"] = "sigmoid"
    start: float = -3.0
    end: float = 3.0
    temperature: Positive = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> SigmoidProcess:
        if self.start >= self.end:
            raise ValueError(f"start {self.start:g} must lie below end {self.end:g}. Swap them.")
        farthest = max(abs(self.start), abs(self.end))
        if farthest > TEMPERATURES * self.temperature:
            what = f"start and end must lie within {TEMPERATURES} temperatures of 0, and temperature is"
            raise ValueError(f"{what} {self.temperature:g}. Set it to {farthest / TEMPERATURES:g} or more.")
        return self


class DdpmLinearProcess(Bounded):
    """The discrete table of DDPM (arXiv 2006.11239), betas linear or `scaled-linear` (linear in their roots)."""

    kind: Literal["ddpm-linear"] = "ddpm-linear"
    timesteps: Annotated[int, Field(ge=1, le=100_000)] = 1000
    beta_start: Positive = 1e-4
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 2e-2
    betas: Literal["linear", "scaled-linear"] = "linear"

    @model_validator(mode="after")
    def _ordered(self) -> DdpmLinearProcess:
        if self.beta_start >= self.beta_end:
            start, end = self.beta_start, self.beta_end
            raise ValueError(f"beta_start {start:g} must lie below beta_end {end:g}. Swap them.")
        return self


class KarrasProcess(Spec):
    """Variance exploding, sigma(t)^(1/rho) linear in t (EDM, arXiv 2206.00364, equation 5)."""

    kind: Literal["karras"] = "karras"
    std_min: Annotated[float, Field(ge=1e-6)] = 0.002
    std_max: Annotated[float, Field(le=1e6)] = 80.0
    rho: Annotated[float, Field(ge=0.1, le=100)] = 7.0
    std_data: Positive = 0.5

    @model_validator(mode="after")
    def _ordered(self) -> KarrasProcess:
        if self.std_min >= self.std_max:
            raise ValueError(f"std_min {self.std_min:g} must lie below std_max {self.std_max:g}. Swap them.")
        return self


class FlowProcess(Shiftable):
    """alpha = 1 - t, sigma = t, velocity u = eps - x, pure noise at t = 1 (arXiv 2209.03003, 2210.02747)."""

    kind: Literal["flow"] = "flow"


class TruncatedProcess(Spec):
    """alpha = 1 - t, beta = t, sigma = end + (start - end) t: begins at `U(low) + start eps`.

    At t = 1 the state is exactly the noisy upsampled input, so that a refine stage starts where its input
    ends (a relative of ResShift, arXiv 2307.12348). `end` is the noise that is left at t = 0.
    """

    kind: Literal["truncated"] = "truncated"
    start: Positive = 0.1
    end: Std = 0.0

    @model_validator(mode="after")
    def _ordered(self) -> TruncatedProcess:
        if self.end >= self.start:
            raise ValueError(f"end {self.end:g} must lie below start {self.start:g}. Lower it; 0 leaves no noise.")
        return self


ProcessSpec = Annotated[
    Annotated[CosineProcess, Tag("cosine")]
    | Annotated[SigmoidProcess, Tag("sigmoid")]
    | Annotated[DdpmLinearProcess, Tag("ddpm-linear")]
    | Annotated[KarrasProcess, Tag("karras")]
    | Annotated[FlowProcess, Tag("flow")]
    | Annotated[TruncatedProcess, Tag("truncated")],
    kind_or("cosine"),
]
