"""Power by band: where a set of signals has too much of it, or too little, and how far two sets are apart."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.metrics.interval import Estimate
from dynaxx.metrics.kernels import Linear
from dynaxx.metrics.mmd import mmd2
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.signal.bands import band_masks, mode_power, radial_frequency
from dynaxx.signal.device import double

BANDS = 8


def octaves(size: Sequence[int], most: int = BANDS) -> tuple[float, ...]:
    """Edges of at most `most` bands that hold at least one mode each, as shares of Nyquist.

    The mean (frequency 0) has a band of its own; the rest are octaves down from Nyquist, the lowest of them open
    below, and what lies above Nyquist (the corners of two and three axes) counts to the highest.
    """
    if max(size) < 2:
        return ()
    lowest = 2 / max(size)
    count = min(most - 1, max(1, math.floor(math.log2(1 / lowest) + 1e-9)))
    edges = [lowest / 2, *(2.0 ** -(count - 1 - i) for i in range(count - 1))]
    masks = band_masks(size, edges).flatten(1).any(dim=1)
    return tuple(edge for edge, below in zip(edges, masks[:-1], strict=True) if below)


def centres(size: Sequence[int], edges: Sequence[float]) -> Tensor:
    """The mean frequency of each band's modes, float64 `(bands,)`."""
    frequency = radial_frequency(size)
    return torch.stack([frequency[mask].mean() for mask in band_masks(size, edges)])


def band_power(x: Tensor, edges: Sequence[float]) -> Tensor:
    """The mean power of each band's modes, over channels, in orthonormal units: float64 `(B, bands)`.

    White noise of std s has s^2 in every band.
    """
    return mode_power(double(x), edges).mean(dim=1)


def log_ratio(x: Tensor, reference: Tensor, edges: Sequence[float]) -> list[Estimate]:
    """Per band, the power of `x` over that of `reference` in dB, `10 log10`, with a paired jackknife's variance.

    Both are `(n, C, *size)`; sample i of one may have been made from sample i of the other.
    """
    _equal(x, reference)
    ours, theirs = band_power(x, edges), band_power(reference, edges)
    n = len(ours)
    without = 10 * (((ours.sum(dim=0) - ours) / (theirs.sum(dim=0) - theirs)).log10())
    value = 10 * (ours.sum(dim=0) / theirs.sum(dim=0)).log10()
    variance = (n - 1) / n * (without - without.mean(dim=0)).square().sum(dim=0)
    return [Estimate(float(v), float(s), n) for v, s in zip(value, variance, strict=True)]


def spectral_distance(x: Tensor, y: Tensor, edges: Sequence[float], *, reference: Tensor | None = None) -> Pairwise:
    """`mean over bands of ((P_x - P_y) / P_reference)^2`, P the expected power of a band: unbiased, 0 for equal sets.

    Left out, `reference` is y: give the one reference where several distances are compared, so that all are measured
    by the same rule. A closed form where the spectra are known.
    """
    _equal(x, y)
    scale = band_power(y if reference is None else reference, edges).mean(dim=0)
    if not (scale > 0).all():
        empty = [i for i, power in enumerate(scale) if not power > 0]
        raise UsageError("reference", f"has no power in bands {empty}.", "Leave those bands out.")
    scale = scale * math.sqrt(len(scale))
    return mmd2(band_power(x, edges) / scale, band_power(y, edges) / scale, Linear())


def _equal(x: Tensor, y: Tensor) -> None:
    if x.shape != y.shape:
        got = f"expects two sets of one shape (n, C, *size), but got {tuple(x.shape)} and {tuple(y.shape)}."
        raise UsageError("spectrum", got, "Draw as many samples as there are in the reference, or use a part of it.")
