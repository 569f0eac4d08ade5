"""How far a set of answers is from what it should be, in signal units squared, so that explanations can be compared.

    misfit = mean_c cast_c^2 + Bures(channels) + sum_bands (a - a')^2 + mean_cells drift^2 + stray beyond excuse

Each part is the least mean square change that would put it right: of the mean colour, of the covariance of channels
(the Bures distance), of the amplitude in each band, of a coarse map, and of what the low input asks for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from dynaxx.lens.signs import band_amplitudes, cells


@final
@dataclass(frozen=True)
class Pair:
    """A stage's answers with what they should be: `x` against `truth`, and shrunk against `low` where it has one."""

    x: Tensor
    truth: Tensor
    shrunk: Tensor | None = None
    low: Tensor | None = None
    excused: float = 0.0


def misfit(pair: Pair) -> float:
    """The misfit of a pair of sets, in signal units squared."""
    found = marginal(pair.x, pair.truth)
    if pair.shrunk is not None and pair.low is not None:
        found += max(0.0, float((pair.shrunk - pair.low).double().square().mean()) - pair.excused)
    return found


def marginal(x: Tensor, truth: Tensor) -> float:
    """The part that both sets show without being paired."""
    cast = (channel_means(x) - channel_means(truth)).square().mean()
    colours = bures(channel_covariance(x), channel_covariance(truth)) / x.shape[1]
    ours, theirs = (band_amplitudes(signals).mean(0).sqrt() for signals in (x, truth))
    drift = (cells(x) - cells(truth)).mean(0)
    places = (drift - drift.mean()).square().mean()
    return float(cast + colours + (ours - theirs)[1:].square().sum() + places)


def channel_means(x: Tensor) -> Tensor:
    """`(C,)`."""
    return x.double().transpose(0, 1).flatten(1).mean(1)


def channel_covariance(x: Tensor) -> Tensor:
    """`(C, C)` over samples and sites."""
    flat = x.double().transpose(0, 1).flatten(1)
    return torch.atleast_2d(flat.cov(correction=0))


def bures(a: Tensor, b: Tensor) -> Tensor:
    """`tr a + tr b - 2 tr (a^1/2 b a^1/2)^1/2`, the squared 2-Wasserstein distance of two centred Gaussians."""
    root = _root(a)
    return (a.trace() + b.trace() - 2 * _root(root @ b @ root).trace()).clamp_min(0)


def _root(a: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh((a + a.T) / 2)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
