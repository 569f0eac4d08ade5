"""Whether a stage answers to its own prompt, or clearly matches the truth of another."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dynaxx.lens.signs import Sign
from dynaxx.metrics.interval import Estimate
from dynaxx.metrics.means import mean_of

EXCHANGED = 0.5
"""The share of answers that match another sample's truth as well as a working stage matches its own."""
NEAR = 0.5
"""How near, as a share of the typical distance, counts as a match."""


def pairing(x: Tensor, truth: Tensor) -> Iterator[Sign]:
    """The share of answers that clearly match the truth of another prompt, and not that of their own."""
    squares = distances(x, truth)
    own = squares.diagonal()
    others = squares.clone().fill_diagonal_(torch.inf).min(dim=1).values
    typical = squares.mean()
    exchanged = ((others < NEAR**2 * typical) & (own > 4 * others)).double()
    share = mean_of(exchanged)
    floor = 1 / len(x) ** 2
    yield Sign("exchanged", Estimate(share.value, max(share.variance, floor), share.n), EXCHANGED)


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Mean squared differences of every pair, `(n, m)`."""
    a, b = a.flatten(1).double(), b.flatten(1).double()
    squares = a.square().sum(1)[:, None] + b.square().sum(1)[None] - 2 * a @ b.T
    return squares.clamp_min(0) / a.shape[1]
