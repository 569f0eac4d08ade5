"""Which sample of the data is the n-th that a training sees: a function of (seed, stage, n), whatever the batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from torch import Tensor

from dynaxx.signal.random import Draws


@final
@dataclass(frozen=True)
class Order:
    """Epochs of all groups in a fresh order, and from each group one member; without groups each sample is its own."""

    seed: int
    stage: str
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, seed: int, stage: str, groups: Mapping[int, str], *, by_group: bool) -> Order:
        """The order over samples, the group of each by its index."""
        members: dict[str | int, list[int]] = {}
        for index, group in groups.items():
            members.setdefault(group if by_group else index, []).append(index)
        return cls(seed, stage, tuple(map(tuple, members.values())))

    def rows(self, numbers: Sequence[int]) -> list[int]:
        """The indices of the samples that come as number n = 0, 1, ..."""
        share = Draws(self.seed, f"{self.stage}/order", tuple(numbers)).uniform("member", ()).tolist()
        return [self._row(number, u) for number, u in zip(numbers, share, strict=True)]

    def _row(self, number: int, u: float) -> int:
        epoch, place = divmod(number, len(self.groups))
        group = self.groups[int(permutation(self.seed, self.stage, epoch, len(self.groups))[place])]
        return group[int(u * len(group))]


@lru_cache(maxsize=4)
def permutation(seed: int, stage: str, epoch: int, count: int) -> Tensor:
    """An order of 0 .. count - 1, keyed by (seed, stage, epoch)."""
    return torch.argsort(Draws(seed, f"{stage}/order", (epoch,)).bits("epoch", (count,))[0], stable=True)
