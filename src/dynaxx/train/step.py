"""What one step of training answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, final

from torch import Tensor

EDGE = 2.0
"""The log-SNR that parts little noise (detail) from some; minus it parts some from much (structure)."""


@final
@dataclass(frozen=True)
class TrainStep:
    """Step `step` of `steps`, counted from 1; `images` seen so far; a skipped step changed no weight.

    `loss` is the batch's mean, `by_level` its means over samples with little (fine), some (middle) and much noise
    (coarse). `images_per_s` counts pairs made and learned from.
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

    @property
    def left_s(self) -> float:
        """Seconds to the end of the stage at this speed."""
        return self.images / self.step * (self.steps - self.step) / self.images_per_s

    def to_json(self) -> dict[str, Any]:
        """The record as plain data."""
        return {**asdict(self), "by_level": dict(self.by_level)}


def by_level(losses: Tensor, logsnr: Tensor) -> dict[str, float]:
    """The mean loss over samples with little (fine), some (middle) and much noise (coarse), where there are any."""
    fine, coarse = logsnr >= EDGE, logsnr < -EDGE
    rows = {"fine": fine, "middle": ~fine & ~coarse, "coarse": coarse}
    return {name: losses[chosen].mean().item() for name, chosen in rows.items() if chosen.any()}
