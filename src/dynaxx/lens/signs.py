"""Signs of a fault in one stage: what it answers to true inputs, against what it should, each sign with its interval.

The stage is run on the truth alone, so that nothing before it can be seen here. A pair (answer, truth) shares its low
input and its prompt; what it shares cancels in paired differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from torch import Tensor

from dynaxx.metrics.colour import channel_drift
from dynaxx.metrics.fidelity import mse
from dynaxx.metrics.interval import Estimate
from dynaxx.metrics.means import mean_of
from dynaxx.metrics.spectrum import band_power, octaves
from dynaxx.signal.bands import band_masks
from dynaxx.signal.resample import resample

CELLS = 4
"""Of the coarse map of places, along each axis."""
CAST = 0.07
"""The least drift of a channel's mean, in signal units, that counts as a fault; a picture spans 2."""
SQUEEZED, STRETCHED = 0.17, 0.25
"""The least loss and gain of contrast, as a logarithm of the ratio of standard deviations; guidance stretches."""
EVEN = 0.05
"""A change of contrast below this is taken for none where noise is looked for."""
DETAIL = 0.045
"""The least amplitude that a band has too much or too little, in signal units."""
LOSS_DB, EXCESS_DB = 3.0, 2.5
"""The least change of a band's power."""
PLACE = 0.12
"""The least drift of a cell of the map."""
EMPTY = 1.0
"""The least change of the power in a cell, as a natural logarithm."""
STRAY = 0.04
"""The least root mean square by which the shrunk answer strays from the low input beyond what its noise excuses."""
LOST, LOST_SHARE, LOST_CHANCE = 0.15, 0.03, 0.005
"""Samples that stray by so much more are lost; the least share of them, and the chance of one in a healthy stage."""
HIDDEN, HIDES = 0.2, 0.1
"""The least share of the low input's variance by which its noise lets the answer stray from it, and any stage's."""
GRAIN, GRAIN_DB = 0.085, 0.3
"""The least std of white noise in the answers, and the least change it makes to the highest band."""
DISTANCE = 0.1
"""The least MMD^2 to the truth, on the built-in features; two sets of one kind have 0, unrelated ones about 1."""


@final
@dataclass(frozen=True)
class Sign:
    """A deviation that is 0 in a healthy stage; `least` is the size from which it counts as a fault."""

    name: str
    estimate: Estimate
    least: float
    at: int | None = None
    chance: float | None = None

    @property
    def size(self) -> float:
        """In units of the least that counts."""
        return abs(self.estimate.value) / self.least

    @property
    def p_value(self) -> float:
        """The chance of so large a deviation in a healthy stage."""
        return self.estimate.p_value() if self.chance is None else self.chance


def signs(x: Tensor, truth: Tensor) -> Iterator[Sign]:
    """The deviations of a set of answers `(n, C, *size)` from the true signals, sample by sample."""
    drift = channel_drift(x, truth)
    for channel in range(drift.shape[1]):
        yield Sign("cast", mean_of(drift[:, channel]), CAST, channel)
    contrast = log_ratio(power(x), power(truth), 0.5)
    yield Sign("contrast", contrast, STRETCHED if contrast.value > 0 else SQUEEZED)
    yield from _bands(x, truth, math.exp(2 * contrast.value) if contrast.value > EVEN else 1.0)
    yield from _places(x, truth)


def strays(shrunk: Tensor, low: Tensor, excused: float) -> Iterator[Sign]:
    """How much more than `excused` (a mean square) the shrunk answers stray from the low inputs: all, and a few."""
    astray = mse(shrunk, low)
    excess = mean_of(astray - excused)
    yield Sign("stray", excess, STRAY**2, chance=None if excess.value > 0 else 1.0)
    lost, n = int((astray > 3 * excused + LOST**2).sum()), len(astray)
    share = lost / n
    estimate = Estimate(share, max(share * (1 - share), 1 / n) / n, n)
    yield Sign("lost", estimate, LOST_SHARE, chance=at_least(lost, n, LOST_CHANCE))


def hidden(shrunk: Tensor, low: Tensor) -> Sign:
    """How far answers stray from their low inputs where their noise excuses it: what a lower level would keep.

    Noise always hides something: the chance is that of so much where `HIDES` of it is hidden in truth.
    """
    share = mean_of(mse(shrunk, low) / low.double().var().clamp_min(1e-12))
    return Sign("hidden", share, HIDDEN, chance=share.p_value(HIDES) if share.value > HIDES else 1.0)


def at_least(count: int, n: int, chance: float) -> float:
    """The probability of `count` or more successes in n trials."""
    below = sum(math.comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(count))
    return max(0.0, 1 - below)


def power(x: Tensor) -> Tensor:
    """The mean square about the set's mean colour, `(n,)`."""
    mean = x.double().flatten(2).mean(dim=(0, 2)).reshape(1, -1, *[1] * (x.ndim - 2))
    return (x.double() - mean).square().flatten(1).mean(1)


def log_ratio(top: Tensor, bottom: Tensor, scale: float = 1.0) -> Estimate:
    """`scale ln (sum top / sum bottom)` of paired numbers `(n,)`, with a jackknife's variance."""
    n, tiny = len(top), 1e-12
    without = scale * (((top.sum() - top).clamp_min(tiny)) / ((bottom.sum() - bottom).clamp_min(tiny))).log()
    value = scale * (top.sum().clamp_min(tiny) / bottom.sum().clamp_min(tiny)).log()
    variance = (n - 1) / n * (without - without.mean()).square().sum()
    return Estimate(float(value), float(variance), n)


def fine_octaves(size: tuple[int, ...]) -> tuple[float, ...]:
    """Octaves with the highest one parted at three quarters of Nyquist, where white noise stands out."""
    return (*octaves(size), 0.75)


def band_amplitudes(x: Tensor) -> Tensor:
    """The power per site of each band, per sample, all channels: `(n, bands)`; they sum to the mean square."""
    return band_power(x, fine_octaves(tuple(x.shape[2:]))).nan_to_num() * shares(x)


def shares(x: Tensor) -> Tensor:
    """The share of the modes that lie in each band: what white noise has of its power there."""
    return band_masks(x.shape[2:], fine_octaves(tuple(x.shape[2:]))).flatten(1).double().mean(1)


def _bands(x: Tensor, truth: Tensor, stretch: float) -> Iterator[Sign]:
    """Power by band in dB, counting only where it is a visible amplitude as well; `stretch` is that of all power."""
    ours, theirs = band_amplitudes(x), band_amplitudes(truth)
    for band in range(1, ours.shape[1]):  # band 0 is the mean, and the cast's
        have, due = float(ours[:, band].mean()), max(float(theirs[:, band].mean()), 1e-12)
        estimate = log_ratio(ours[:, band], theirs[:, band], 10 / math.log(10))
        off, least = math.sqrt(abs(have - due)), EXCESS_DB if have > due else LOSS_DB
        yield Sign("band", estimate, max(least, abs(estimate.value) * DETAIL / max(off, 1e-9)), band)
    yield from _grain(ours[:, -1], theirs[:, -1] * stretch, float(shares(truth)[-1]))


def _grain(have: Tensor, due: Tensor, share: float) -> Iterator[Sign]:
    """White noise in the highest band, beyond what a stretched contrast brings there; too little is no such sign."""
    excess, estimate = float((have - due).mean()), log_ratio(have, due, 10 / math.log(10))
    if excess <= 0:
        yield Sign("grain", estimate, GRAIN_DB, chance=1.0)
        return
    std = math.sqrt(excess / share)
    yield Sign("grain", estimate, max(GRAIN_DB, abs(estimate.value) * GRAIN / std))


def _places(x: Tensor, truth: Tensor) -> Iterator[Sign]:
    """The drift of each cell of a coarse map beyond that of the whole, and of its power against that of the whole."""
    ours, theirs = (cells(signals) for signals in (x, truth))
    drift = ours - theirs
    drift = drift - drift.mean(dim=1, keepdim=True)
    have, due = (cells(signals.double().square()) for signals in _centred(x, truth))
    whole = log_ratio(have.mean(1), due.mean(1)).value
    for cell in range(drift.shape[1]):
        yield Sign("place", mean_of(drift[:, cell]), PLACE, cell)
        change = log_ratio(have[:, cell], due[:, cell])
        yield Sign("empty", Estimate(change.value - whole, change.variance, change.n), EMPTY, cell)


def cells(x: Tensor) -> Tensor:
    """Means over the cells of a coarse map, all channels together, `(n, cells)`."""
    return resample(x.double().mean(dim=1, keepdim=True), [min(CELLS, n) for n in x.shape[2:]], "area").flatten(1)


def _centred(*sets: Tensor) -> Iterator[Tensor]:
    """Each set about its own mean picture."""
    for x in sets:
        yield x - x.mean(dim=0, keepdim=True)
