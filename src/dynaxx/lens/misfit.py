"""How far a set of answers is from what it should be, in signal units squared, so that explanations can be compared.

    misfit = mean_c cast_c^2 + Bures(channels) + sum_modes (a - a')^2 + mean_cells drift^2 + stray beyond excuse

Each part is the least mean square change that would put it right: of the mean colour, of the covariance of channels
(the Bures distance), of the amplitude of each mode, of a coarse map, and of what the low input asks for. Modes, not
bands: what a wrong filter does to one direction or frequency alone cannot pass for a change of contrast.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from dynaxx.lens.signs import cells


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
    return marginal(pair.x, pair.truth) + max(0.0, strayed(pair))


def strayed(pair: Pair) -> float:
    """The mean square by which shrunk answers stray from the low input beyond what noise excuses; 0 without one."""
    if pair.shrunk is None or pair.low is None:
        return 0.0
    return float((pair.shrunk - pair.low).double().square().mean()) - pair.excused


def gone(after: Pair, before: Pair) -> float:
    """The share of a misfit that a change takes away, 1 where nothing is left but chance.

    Chance varies by about as much as it is: up to twice of it a misfit may be chance alone, and the share is 0.
    """
    found = beyond_chance(before)
    return 1 - beyond_chance(after) / found if found > chance(before) else 0.0


def beyond_chance(pair: Pair) -> float:
    """The misfit less what chance makes."""
    return max(0.0, misfit(pair) - chance(pair))


def chance(pair: Pair) -> float:
    """The misfit of two sets of one kind, which differ by chance as the two halves of the truth do.

    A set that is paired with the truth by a low input differs from it by as much less as its signals are nearer to the
    true ones than any two are to each other.
    """
    half = len(pair.truth) // 2
    found = marginal(pair.truth[:half], pair.truth[half : 2 * half]) / 2
    if pair.low is None:
        return found
    apart = (pair.x - pair.truth).double().square().mean() / (2 * pair.truth.double().var().clamp_min(1e-12))
    return found * min(1.0, float(apart))


def marginal(x: Tensor, truth: Tensor) -> float:
    """The part that both sets show without being paired."""
    cast = (channel_means(x) - channel_means(truth)).square().mean()
    colours = bures(channel_covariance(x), channel_covariance(truth)) / x.shape[1]
    ours, theirs = (mode_amplitudes(signals) for signals in (x, truth))
    drift = (cells(x) - cells(truth)).mean(0)
    places = (drift - drift.mean()).square().mean()
    return float(cast + colours + (ours - theirs).square().sum() + places)


def mode_amplitudes(x: Tensor) -> Tensor:
    """The root of each mode's power per site, over samples and channels, `size`; the mean's is left out (0)."""
    axes = tuple(range(2, x.ndim))
    power = torch.fft.fftn(x.double(), dim=axes).abs().square().mean(dim=(0, 1)) / x[0, 0].numel() ** 2
    power.flatten()[0] = 0
    return power.sqrt()


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
