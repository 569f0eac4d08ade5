"""Whether an answer, shrunk, is the low input it was made from: in structure (PSNR, SSIM) and in mean colour."""

from __future__ import annotations

import math

from dynaxx.lens.bench import Bench
from dynaxx.lens.excuse import excused
from dynaxx.lens.outcome import Outcome, finding
from dynaxx.metrics.colour import channel_drift
from dynaxx.metrics.fidelity import RANGE, mse
from dynaxx.metrics.interval import Interval
from dynaxx.metrics.means import mean_of
from dynaxx.metrics.structure import ssim


def consistency(bench: Bench) -> Outcome:
    """PSNR, SSIM and colour of `D S(low)` against `low`, for every node with a low input."""
    found = []
    for node in bench.later():
        low, shrunk = bench.low_of(node), bench.down(bench.own(node), node)
        excuse = excused(node, bench.low_of(node))
        least = 10 * math.log10(RANGE**2 / excuse) if excuse > 0 else None
        words = "" if least is None else f"; its noise excuses {least:.1f} dB"
        psnr = _decibel(mean_of(mse(shrunk, low)).interval())
        drift = mean_of(channel_drift(shrunk, low).abs().mean(dim=1)).interval()
        alike = mean_of(ssim(shrunk, low)).interval()
        says = f"Shrunk, its answers are within {psnr.value:.1f} dB of their input{words}."
        found += [
            finding("consistency", node.name, "PSNR to the input", psnr, unit="dB", reference=least, at="psnr",
                    says=says),
            finding("consistency", node.name, "SSIM to the input", alike, unit="", reference=1.0, at="ssim",
                    says=f"Shrunk, their structure agrees to {alike.value:.2f}."),
            finding("consistency", node.name, "colour drift", drift, unit="signal", reference=0.0, at="colour",
                    says=f"Their mean colour drifts by {drift.value:.3f}."),
        ]  # fmt: skip
    return Outcome(tuple(found))


def _decibel(squares: Interval) -> Interval:
    """PSNR of a mean square, its ends the other way round."""
    value, low, high = (10 * math.log10(RANGE**2 / max(x, 1e-12)) for x in (squares.value, squares.high, squares.low))
    return Interval(value, low, high, squares.n, squares.confidence)
