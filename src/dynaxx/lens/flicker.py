"""Whether answers on three axes flicker more than the truth: temporal power above a cut-off, in dB."""

from __future__ import annotations

import math

from dynaxx.lens.bench import Bench
from dynaxx.lens.findings import Level
from dynaxx.lens.outcome import Outcome, finding
from dynaxx.lens.signs import log_ratio
from dynaxx.metrics.means import mean_of
from dynaxx.metrics.temporal import flicker, temporal_power

LEAST_DB = 3.0
"""The least excess of fast temporal power that is worth a look."""
FRAMES = 3


def flickers(bench: Bench) -> Outcome:
    """The fast temporal power of every node with at least three frames; without a truth, its plain flicker."""
    found = []
    for node in bench.graph:
        if len(node.grid.size) < 3 or node.grid.size[0] < FRAMES:
            continue
        x = bench.chain[node.name]
        if not bench.truths:
            plain = mean_of(flicker(x)).interval()
            says = f"Frames differ in brightness from their neighbours' mean by {plain.value:.3f}."
            found.append(finding("flicker", node.name, "flicker", plain, unit="signal", says=says))
            continue
        ratio = log_ratio(temporal_power(x), temporal_power(bench.truths[node.name]), 10 / math.log(10)).interval()
        says = f"Fast change over time is {ratio.value:+.1f} dB against the truth."
        level: Level = "watch" if ratio.low > LEAST_DB else "healthy"
        found.append(
            finding("flicker", node.name, "fast temporal power", ratio, unit="dB", says=says, level=level,
                    reference=0.0, least=LEAST_DB)
        )  # fmt: skip
    return Outcome(tuple(found))
