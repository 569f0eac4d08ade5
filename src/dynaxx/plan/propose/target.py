"""What is wanted, and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from dynaxx.errors import UsageError
from dynaxx.spec.grid import AXES_BY_RANK, by_x

LEAST_SIDE = 16
"""Of a target's longest axis: below it there is nothing to cascade, nor to halve."""
Quality = Literal["draft", "good", "best"]
STEPS: dict[Quality, int] = {"draft": 5_000, "good": 30_000, "best": 150_000}
"""Training steps of each stage."""


@final
@dataclass(frozen=True)
class Target:
    """A signal of this size, to this quality, asked for by text; axes `l`, `h w` or `t h w`."""

    size: tuple[int, ...]
    quality: Quality = "good"
    channels: int = 3

    def __post_init__(self) -> None:
        if len(self.size) not in AXES_BY_RANK or max(self.size) < LEAST_SIDE:
            fix = f"Give one to three axes, the longest of at least {LEAST_SIDE} sites."
            raise UsageError("target", f"{by_x(self.size)} cannot be planned for.", fix)


@final
@dataclass(frozen=True)
class Budget:
    """Bounds; what is None is not bounded. `latency_s` and `memory_gib` are those of one sample on one device."""

    latency_s: float | None = None
    memory_gib: float | None = None
    train_hours: float | None = None
    train_cost_usd: float | None = None

    def bounds(self) -> dict[str, float]:
        """The bounds that are set, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}
