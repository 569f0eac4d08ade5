"""What one step of training answers with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self, final

from torch import Tensor

EDGE = 2.0
"""The log-SNR that parts little noise (detail) from some; minus it parts some from much (structure)."""


@final
@dataclass(frozen=True)
class TrainStep:
    """Step `step` of `steps`, counted from 1; `images` seen so far; a skipped step changed no weight.

    `loss` is the batch's mean, `by_level` its means over samples with little (fine), some (middle) and much noise
    (coarse). `images_per_s` counts pairs made and learned from. `event` says what was strange about the step, and
    `samples` over which: it was skipped, or its gradient's norm was far above the `usual` one.
    """

    stage: str
    step: int
    steps: int
    loss: float
    grad_norm: float
    lr: float
    images: int
    images_per_s: float
    skipped: int = 0
    by_level: Mapping[str, float] = field(default_factory=dict)
    event: Literal["", "skipped", "spike"] = ""
    usual: float = 0.0
    samples: tuple[str, ...] = ()

    @property
    def left_s(self) -> float:
        """Seconds to the end of the stage at this speed."""
        return self.images / self.step * (self.steps - self.step) / self.images_per_s

    def to_json(self) -> dict[str, Any]:
        """The record as plain data; what is no number becomes None."""
        levels = {name: _sayable(value) for name, value in self.by_level.items()}
        facts = {key: _sayable(value) for key, value in asdict(self).items()}
        return {**facts, "by_level": levels, "samples": list(self.samples)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The record from plain data."""
        levels = {name: _read(value) for name, value in data["by_level"].items()}
        numbers = {key: _read(data[key]) for key in ("loss", "grad_norm", "images_per_s")}
        return cls(**{**data, **numbers, "by_level": levels, "samples": tuple(data["samples"])})

    def event_line(self) -> dict[str, Any]:
        """What was strange about the step, as plain data."""
        keys = ("stage", "step", "event", "loss", "grad_norm", "usual", "samples")
        return {key: self.to_json()[key] for key in keys}


def by_level(losses: Tensor, logsnr: Tensor) -> dict[str, float]:
    """The mean loss over samples with little (fine), some (middle) and much noise (coarse), where there are any."""
    fine, coarse = logsnr >= EDGE, logsnr < -EDGE
    rows = {"fine": fine, "middle": ~fine & ~coarse, "coarse": coarse}
    return {name: losses[chosen].mean().item() for name, chosen in rows.items() if chosen.any()}


def _sayable(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(value: float | None) -> float:
    return math.nan if value is None else value
