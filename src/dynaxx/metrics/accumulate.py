"""Measurements gathered batch by batch, in any order and from several processes."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.metrics.interval import Estimate


@final
class Rows:
    """What was measured on each sample, by sample id: features, scores, spectra.

    Answers are in the order of ids, whatever the order of batches, so that two gathered sets stay paired.
    """

    def __init__(self) -> None:
        self._rows: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, ids: tuple[int, ...], rows: Tensor) -> None:
        """Keep a batch `(B, ...)` on the CPU; an id that is known already is refused."""
        if len(ids) != len(rows):
            raise UsageError("rows", f"expects an id for each, but got {len(ids)} ids and {len(rows)} rows.")
        again = sorted(set(ids) & self._rows.keys()) or sorted(i for i in set(ids) if ids.count(i) > 1)
        if again:
            raise UsageError("rows", f"sample {again[0]} was measured already.", "Give each sample an id of its own.")
        self._rows.update(zip(ids, rows.detach().cpu(), strict=True))

    def merge(self, other: Rows) -> None:
        """Take over what another process gathered."""
        if other._rows:
            self.add(tuple(other._rows), torch.stack(list(other._rows.values())))

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids, rising."""
        return tuple(sorted(self._rows))

    def tensor(self) -> Tensor:
        """All rows in the order of ids, `(n, ...)`."""
        if not self._rows:
            raise UsageError("rows", "nothing was measured yet.", "Add a batch first.")
        return torch.stack([self._rows[i] for i in self.ids])


@final
class Moments:
    """Mean and covariance of any number of rows `(B, D)`, none of which is kept (Chan et al., 1979)."""

    def __init__(self) -> None:
        self.n = 0
        self._mean = torch.zeros(0, dtype=torch.float64)
        self._scatter = torch.zeros(0, 0, dtype=torch.float64)

    def add(self, rows: Tensor) -> None:
        """Take in a batch."""
        batch = Moments()
        values = rows.detach().cpu().double()
        batch.n, batch._mean = len(values), values.mean(dim=0)
        batch._scatter = (values - batch._mean).T @ (values - batch._mean)
        self.merge(batch)

    def merge(self, other: Moments) -> None:
        """Take over what another process gathered."""
        if not self.n or not other.n:
            self.n, self._mean, self._scatter = max((self, other), key=lambda moments: moments.n)._state()
            return
        n, step = self.n + other.n, other._mean - self._mean
        self._scatter = self._scatter + other._scatter + torch.outer(step, step) * (self.n * other.n / n)
        self._mean = self._mean + step * (other.n / n)
        self.n = n

    def _state(self) -> tuple[int, Tensor, Tensor]:
        return self.n, self._mean, self._scatter

    @property
    def mean(self) -> Tensor:
        """The mean, float64 `(D,)`."""
        return self._mean

    @property
    def covariance(self) -> Tensor:
        """The covariance with n - 1, float64 `(D, D)`."""
        if self.n < 2:
            raise UsageError("moments", f"need at least 2 samples, but got {self.n}.", "Add more.")
        return self._scatter / (self.n - 1)

    def estimates(self) -> list[Estimate]:
        """The mean of every column, with its variance."""
        variances = self.covariance.diagonal() / self.n
        return [Estimate(float(m), float(v), self.n) for m, v in zip(self.mean, variances, strict=True)]
