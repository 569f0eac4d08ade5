"""Which stage owns which frequencies, and whether fine detail is there: power by band at every stage against the truth.

    owned_k(b) = P(U out_k)(b) - P(U out_(k-1))(b)     signed, telescoping to P(out_K)(b)

U is the `fourier` resampling to the finest grid, so that a signal's power stays in its bands. Detail is the power in
the highest octave of a stage's grid, and its local variance, against the truth on the same grid.
"""

from __future__ import annotations

import math

from torch import Tensor

from dynaxx.lens.bench import Bench
from dynaxx.lens.findings import Axis, Curve, Level, Series
from dynaxx.lens.outcome import Outcome, finding
from dynaxx.lens.signs import band_amplitudes, log_ratio
from dynaxx.metrics.interval import Interval
from dynaxx.metrics.spectrum import band_power, centres, octaves
from dynaxx.metrics.texture import local_variance
from dynaxx.signal.resample import resample

FINE, EVEN = 3.0, 0.5
"""A loss of this many dB in the highest octave is worth a look; differences below the second are none."""
TO_DB = 10 / math.log(10)


def ownership(bench: Bench) -> Outcome:
    """One curve: by band, what each node of the main path adds, beside the spectrum of the truth."""
    size = bench.last.grid.size
    edges = octaves(size)
    at = tuple(float(f) for f in centres(size, edges))
    path = main_path(bench)
    powers = [_mean_power(bench.chain[name], size, edges) for name in path]
    owned = [powers[0], *(after - before for before, after in zip(powers, powers[1:], strict=False))]
    series = [Series(name, "measured", at, tuple(p.tolist())) for name, p in zip(path, owned, strict=True)]
    if bench.truths:
        truth = _mean_power(bench.truths[path[-1]], size, edges)
        series.append(Series("truth", "reference", at, tuple(truth.tolist())))
    says = "What each stage adds to the power in each band; the parts sum to the final spectrum."
    x, y = Axis("frequency", "share of Nyquist", "log"), Axis("power added", "per mode")
    return Outcome((), (Curve("ownership", "ownership", path[-1], "Who owns which detail", says, x, y, tuple(series)),))


def main_path(bench: Bench) -> list[str]:
    """The nodes from the last one back along low inputs, first one first."""
    path, by_name = [bench.last.name], {node.name: node for node in bench.graph}
    while True:
        inputs = by_name[path[0]].inputs
        given = inputs.get("low") or next(iter(inputs.values()), None)
        if given is None or given.parents[0] not in by_name:
            return path
        same = by_name[given.parents[0]].grid.channels == by_name[path[0]].grid.channels
        if not same:
            return path
        path.insert(0, given.parents[0])


def _mean_power(x: Tensor, size: tuple[int, ...], edges: tuple[float, ...]) -> Tensor:
    return band_power(resample(x, size, "fourier"), edges).mean(0)


def detail(bench: Bench) -> Outcome:
    """Power in the highest octave and local variance of every node's answers, in dB against the truth."""
    found, curves = [], []
    for node in bench.graph:
        truth, x = bench.truths[node.name], bench.own(node)
        top = log_ratio(finest(x), finest(truth), TO_DB).interval()
        local = log_ratio(local_variance(x), local_variance(truth), TO_DB).interval()
        level: Level = "watch" if top.high < -FINE else "healthy"
        found += [
            finding("detail", node.name, "finest octave", top, unit="dB", says=_says(top, "power in its finest octave"),
                    level=level, reference=0.0, least=FINE, at="octave"),
            finding("detail", node.name, "local variance", local, unit="dB", says=_says(local, "local variance"),
                    reference=0.0, at="local"),
        ]  # fmt: skip
        curves.append(_spectrum(bench, node.name, x, truth))
    return Outcome(tuple(found), tuple(curves))


def finest(x: Tensor) -> Tensor:
    """The power of all modes from half of Nyquist on, the finest octave, `(n,)`."""
    amplitudes = band_amplitudes(x)
    return amplitudes[:, -2:].sum(1)


def _says(found: Interval, what: str) -> str:
    if abs(found.value) < EVEN:
        return f"On true inputs it has as much {what} as the truth."
    way = "more" if found.value > 0 else "less"
    return f"On true inputs it has {abs(found.value):.1f} dB {way} {what} than the truth."


def _spectrum(bench: Bench, name: str, x: Tensor, truth: Tensor) -> Curve:
    edges = octaves(x.shape[2:])
    at = tuple(float(f) for f in centres(x.shape[2:], edges))

    def powers(signals: Tensor) -> tuple[float, ...]:
        return tuple(band_power(signals, edges).mean(0).tolist())

    lines = (
        Series("on true inputs", "measured", at, powers(x)),
        Series("in the chain", "other", at, powers(bench.chain[name])),
        Series("truth", "reference", at, powers(truth)),
    )
    says = "Power by frequency; a stage that smooths detail away falls below the truth at the right."
    x_axis, y_axis = Axis("frequency", "share of Nyquist", "log"), Axis("power", "per mode", "log")
    return Curve(f"{name}.spectrum", "spectrum", name, f"Spectrum of {name}", says, x_axis, y_axis, lines)
