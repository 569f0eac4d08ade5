"""Kernels that compare two samples by their features, for distances between sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.signal.device import double


class Kernel(Protocol):
    """From features `(n, D)` and `(m, D)` to the similarity of every pair, float64 `(n, m)`."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Compare all pairs."""


@final
@dataclass(frozen=True)
class Polynomial:
    """`(a . b / D + 1)^degree`, the kernel of KID (arXiv 1801.01401, section 4); it sees moments up to `degree`."""

    degree: int = 3

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Compare all pairs."""
        return (double(a) @ double(b).T / a.shape[1] + 1) ** self.degree


@final
@dataclass(frozen=True)
class Linear:
    """`a . b`: the distance between sets is then the squared distance of their means."""

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Compare all pairs."""
        return double(a) @ double(b).T


@final
@dataclass(frozen=True)
class Gaussian:
    """`exp(-|a - b|^2 / (2 width^2))`: bounded, and sees any difference between two distributions."""

    width: float

    def __post_init__(self) -> None:
        if not self.width > 0:
            raise UsageError("kernel", f"expects a width above 0, but got {self.width}.")

    @classmethod
    def of(cls, reference: Tensor) -> Gaussian:
        """The median heuristic on features `(n, D)`: width^2 is half the median squared distance of its pairs.

        The width belongs to the reference alone (Gretton et al., JMLR 2012, section 8), so that distances to it
        can be compared, and a difference of two of them is a mean over pairs.

        Raises:
            UsageError: for fewer than two samples, or where most of them are equal.
        """
        if len(reference) < 2:
            raise UsageError("reference", f"expects at least 2 samples, but got {len(reference)}.")
        i, j = torch.triu_indices(len(reference), len(reference), offset=1)
        median = float(squared_distances(reference, reference)[i, j].median())
        if not median > 0:
            raise UsageError("reference", "holds samples that are mostly equal.", "Give varied data.")
        return cls((median / 2) ** 0.5)

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Compare all pairs."""
        return torch.exp(-squared_distances(a, b) / (2 * self.width**2))


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """`|a_i - b_j|^2`, float64 `(n, m)`, never below 0."""
    a, b = double(a), double(b)
    squares = a.square().sum(dim=1)[:, None] + b.square().sum(dim=1)[None, :]
    return (squares - 2 * a @ b.T).clamp(min=0)
