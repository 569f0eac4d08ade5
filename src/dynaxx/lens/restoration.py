"""Whether a stage puts faults of its low input right, passes them on, or makes them worse.

    R = 1 - sum (|D S(c(low)) - low| - |D S(low) - low|) / sum |c(low) - low|

on the low grid, |.| the root mean square of a sample, same random numbers: 1 corrects, 0 passes on, negative amplifies.
What is healthy depends on the corruption: a shifted picture is as plausible as the picture.
"""

from __future__ import annotations

from torch import Tensor

from dynaxx.lens.bench import Bench
from dynaxx.lens.corrupt import CORRUPTIONS, Corrupt
from dynaxx.lens.findings import Axis, Curve, Series, finite
from dynaxx.lens.outcome import Outcome, finding
from dynaxx.metrics.fidelity import mse
from dynaxx.metrics.interval import Interval
from dynaxx.metrics.means import ratio_of_means
from dynaxx.spec.graph import Node

AMPLIFIES = -0.5
"""A restoration below this is worth a look: the stage adds half as much again to what it was given."""


def restoration(bench: Bench, *, rows: int) -> Outcome:
    """R of every corruption for every node with a low input."""
    findings, curves = [], []
    for node in bench.later():
        found = {name: restored(bench, node, corrupt, rows=rows) for name, corrupt in CORRUPTIONS.items()}
        for name, interval in found.items():
            amplifies = interval.high < AMPLIFIES
            says = f"Of {name} on its input it {_word(interval)}."
            findings.append(
                finding("restoration", node.name, f"restoration of {name}", interval, unit="share", says=says,
                        level="watch" if amplifies else "healthy", reference=0.0, least=-AMPLIFIES,
                        at=name.replace(" ", "_"))
            )  # fmt: skip
        curves.append(_curve(node, found))
    return Outcome(tuple(findings), tuple(curves))


def restored(bench: Bench, node: Node, corrupt: Corrupt, *, rows: int) -> Interval:
    """R with its interval."""
    low = bench.low_of(node)[:rows]
    spoilt = corrupt(low, bench.taps.seed)

    def astray(given: Tensor) -> Tensor:
        return mse(bench.down(bench.on(node, given, rows=rows), node), low).sqrt()

    kept = ratio_of_means(astray(spoilt) - astray(low), mse(spoilt, low).sqrt().clamp_min(1e-9))
    return Interval(1 - kept.value, 1 - kept.high, 1 - kept.low, kept.n, kept.confidence)


def _word(found: Interval) -> str:
    if found.low > 0.5:
        return f"puts most right ({found.value:.2f})"
    if found.low > 0.1:
        return f"puts a part right ({found.value:.2f})"
    if found.high < -0.1:
        return f"makes it worse ({found.value:.2f})"
    return f"passes on what it gets ({found.value:.2f})"


def _curve(node: Node, found: dict[str, Interval]) -> Curve:
    places = tuple(float(i) for i in range(len(found)))
    series = Series(
        "restored", "measured", places, tuple(finite(i.value) for i in found.values()),
        tuple(finite(i.low) for i in found.values()), tuple(finite(i.high) for i in found.values()),
    )  # fmt: skip
    return Curve(
        f"{node.name}.restoration", "restoration", node.name, f"What {node.name} puts right",
        "1: the fault is gone; 0: it is passed on; below 0: it is made worse.",
        Axis("fault of the input", scale="category", ticks=tuple(found)), Axis("restored", "share"), (series,),
    )  # fmt: skip
