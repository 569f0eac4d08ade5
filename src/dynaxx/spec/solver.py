"""How a stage walks from noise to its answer: solver, steps, guidance."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dynaxx.spec.base import NonNegative, Share, Spec, Std


class GuidanceSpec(Spec):
    """Classifier-free guidance `x_u + scale (x_c - x_u)`, on inside the level interval only.

    `interval` is in std, (low, high]; outside it the scale is 1 (arXiv 2404.07724).
    """

    scale: NonNegative = 1.0
    interval: tuple[Std, Std] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> GuidanceSpec:
        if self.interval and self.interval[0] >= self.interval[1]:
            low, high = self.interval
            raise ValueError(f"interval [{low:g}, {high:g}] is empty. Give [low, high] in std, low below high.")
        return self


class SolverSpec(Spec):
    """A solver and its settings.

    `spacing` lays the levels uniformly in `t` or in `logsnr`; `eta` is the share of fresh noise of the
    ancestral solver; `clip` keeps clean estimates in [-1, 1] (`static`), or in the 99.5% quantile scaled
    back to it (`dynamic`, arXiv 2205.11487, section 2.3).
    """

    kind: Literal["ddim", "heun", "dpmpp-2m", "ancestral"] = "dpmpp-2m"
    steps: Annotated[int, Field(ge=1, le=10_000)] = 24
    guidance: NonNegative | GuidanceSpec = 1.0
    spacing: Literal["t", "logsnr"] = "t"
    eta: Share = 1.0
    clip: Literal["none", "static", "dynamic"] = "none"

    @field_validator("guidance")
    @classmethod
    def _short(cls, value: float | GuidanceSpec) -> float | GuidanceSpec:
        return value.scale if isinstance(value, GuidanceSpec) and value.interval is None else value

    @property
    def guided(self) -> GuidanceSpec:
        """The guidance in its long form."""
        return self.guidance if isinstance(self.guidance, GuidanceSpec) else GuidanceSpec(scale=self.guidance)
