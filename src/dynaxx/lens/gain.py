"""How strongly a stage passes on a small change of its low input, by frequency band, and what spills above it.

    G(b, b') = |change of the answer in band b'| / |delta|,  delta in band b of the low input, same random numbers
    w(b)     = P(b) / (P(b) + std^2)          the gain of an exact stage told `std`, of its posterior mean

The amplitude is that of the part of the change that follows delta (a projection), so that a stage that jumps between
answers does not count as gain. Two sizes of delta are tried; they agree where the stage is linear.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from dynaxx.lens.bench import Bench
from dynaxx.lens.findings import Axis, Curve, Level, Series, finite
from dynaxx.lens.outcome import Outcome, finding
from dynaxx.metrics.interval import Interval
from dynaxx.metrics.means import ratio_of_means
from dynaxx.metrics.spectrum import band_power, centres, octaves
from dynaxx.signal.bands import band_split
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.graph import Node

SIZES = (0.02, 0.1)
"""Root mean square of delta, in signal units."""
AGREE = 0.2
"""Gains at the two sizes that differ by less than this agree."""
AMPLIFIES = 0.3
"""A gain by so much above the healthy one is worth a look."""
SPILLS = 1.0
"""A spill above this is worth a look: more of the change lands above the input's Nyquist than was put in."""
ENDS = ("value", "low", "high")


@final
@dataclass(frozen=True)
class Gain:
    """One band's gain at the larger delta, into itself and in all, and above the input's Nyquist; `healthy` is w(b)."""

    band: int
    frequency: float
    own: Interval
    spill: Interval
    healthy: float
    agrees: bool


def gains(bench: Bench, node: Node, *, rows: int) -> list[Gain]:
    """The gains of a node with a low input, of the first `rows` samples."""
    low = bench.low_of(node)[:rows]
    edges = octaves(low.shape[2:])
    before = bench.on(node, low, rows=rows)
    at, found = centres(low.shape[2:], edges), []
    for band in range(len(edges) + 1):
        unit = band_noise(low, edges, band, bench.taps.seed)
        small, large = (_response(bench, node, low, before, size * unit, rows) for size in SIZES)
        own, spill = large
        agrees = abs(small[0].value - own.value) < AGREE
        healthy = wiener(bench, node)[band]
        found.append(Gain(band, float(at[band]), own, spill, healthy, agrees))
    return found


def band_noise(low: Tensor, edges: tuple[float, ...], band: int, seed: int) -> Tensor:
    """Noise of root mean square 1 in one band alone, per sample."""
    draws = Draws(seed, "lens", tuple(range(len(low))))
    white = draws.normal(f"delta {band}", tuple(low.shape[1:]), dtype=torch.float64)
    part = band_split(white, edges)[band]
    scale = part.square().flatten(1).mean(1).sqrt().clamp_min(1e-12).reshape(-1, *[1] * (low.ndim - 1))
    return (part / scale).to(low.dtype)


def _response(
    bench: Bench, node: Node, low: Tensor, before: Tensor, delta: Tensor, rows: int
) -> tuple[Interval, Interval]:
    """The projection of the shrunk change on delta, and the amplitude of what is left above the input's Nyquist."""
    change = bench.on(node, low + delta, rows=rows) - before
    shrunk = bench.down(change, node).double()
    size = delta.double().square().flatten(1).sum(1)
    own = ratio_of_means((shrunk * delta).flatten(1).sum(1), size)

    above = _above(change.double(), low)
    scale = change[0, 0].numel() / low[0, 0].numel()
    spilt = ratio_of_means(above * change[0].numel(), size * scale)
    return own, _root(spilt)


def _above(change: Tensor, low: Tensor) -> Tensor:
    """The power per site in modes that the low grid does not hold, `(n,)`."""
    held = resample(resample(change, low.shape[2:], "fourier"), change.shape[2:], "fourier")
    return (change - held).square().flatten(1).mean(1)


def _root(found: Interval) -> Interval:
    low, high = (math.sqrt(max(end, 0.0)) for end in (found.low, found.high))
    return Interval(math.sqrt(max(found.value, 0.0)), low, high, found.n, found.confidence)


def wiener(bench: Bench, node: Node) -> list[float]:
    """`w(b)` by band: how far an exact stage trusts its low input at its level."""
    low, edge = bench.low_of(node), bench.low(node).edge
    std = edge.level or 0.0
    if edge.noise is not None and edge.noise.at == "high":
        std *= math.sqrt(min(1.0, low[0, 0].numel() / node.grid.sites))
    centred = low - low.mean(dim=0, keepdim=True)
    power = band_power(centred, octaves(low.shape[2:])).mean(0)
    return [float(p / (p + std**2)) if std or p else 1.0 for p in power]


def gain(bench: Bench, *, rows: int) -> Outcome:
    """Gain and spill of every node with a low input."""
    findings, curves = [], []
    for node in bench.later():
        found = gains(bench, node, rows=rows)
        for g in found:
            spills = g.spill.low > SPILLS
            agree = "" if g.agrees else " (the two sizes of change disagree: the stage is not linear here)"
            says = f"Passes on {g.own.value:.2f} of a change at {g.frequency:.2f} of Nyquist"
            says += f"; {g.healthy:.2f} is healthy{agree}."
            level: Level = "watch" if spills or (g.agrees and g.own.low > g.healthy + AMPLIFIES) else "healthy"
            findings.append(
                finding("gain", node.name, f"gain in band {g.band}", g.own, unit="ratio", says=says, level=level,
                        reference=g.healthy, least=AMPLIFIES, at=f"band{g.band}")
            )  # fmt: skip
        curves.append(_curve(node, found))
    return Outcome(tuple(findings), tuple(curves))


def _curve(node: Node, found: list[Gain]) -> Curve:
    at = tuple(g.frequency for g in found)
    series = (
        Series("gain", "measured", at, *(tuple(finite(getattr(g.own, end)) for g in found) for end in ENDS)),
        Series("spill above the input's Nyquist", "other", at, tuple(finite(g.spill.value) for g in found)),
        Series("an exact stage", "healthy", at, tuple(g.healthy for g in found)),
    )
    says = "How much of a small change of the input comes through, by the frequency of the change."
    x, y = Axis("frequency of the change", "share of the input's Nyquist"), Axis("gain", "ratio")
    return Curve(f"{node.name}.gain", "gain", node.name, f"What {node.name} passes on", says, x, y, series)
