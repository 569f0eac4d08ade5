"""How many samples pass a stage at once: as many as asked for, fewer where memory runs out, or what is fastest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

FASTER = 0.05
"""The least gain in time per sample for which a batch is doubled again."""


@final
@dataclass
class Batches:
    """Batch sizes for one node, at most `most`; probing doubles them from 1 for as long as samples get faster.

    Samples are the same in any batch, up to rounding, so that probing wastes none. `tried` holds seconds per sample.
    The first batch of all is not timed: it pays for what is set up once, of which its size knows nothing.
    """

    most: int
    probe: bool = False
    size: int = 0
    tried: dict[int, float] = field(default_factory=dict)
    warm: bool = False

    def __post_init__(self) -> None:
        self.size = self.size or (1 if self.probe else self.most)

    def took(self, count: int, latency_s: float) -> None:
        """A batch is done; one that is cut short by the end of the samples says nothing of its size."""
        warm, self.warm = self.warm, True
        if not warm or not self.probe or count != self.size:
            return
        before = self.tried.get(self.size // 2)
        self.tried[self.size] = latency_s / count
        slower = before is not None and self.tried[self.size] > before * (1 - FASTER)
        if slower or self.size == self.most:
            self._settle()
        else:
            self.size = min(2 * self.size, self.most)

    def failed(self, count: int) -> bool:
        """A batch of `count` did not fit: halve it; False where it was one sample."""
        if count == 1:
            return False
        self.size, self.probe = -(-count // 2), False
        return True

    def _settle(self) -> None:
        self.size, self.probe = min(self.tried, key=lambda size: self.tried[size]), False
