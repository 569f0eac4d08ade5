"""Whether a stage uses its low input at all: with another sample's, its estimate at the highest noise must get worse.

    rise = E |x_hat(low_j) - x_i|^2 / E |x_hat(low_i) - x_i|^2,  x_hat the estimate of one network evaluation at t = 1

There the state holds nothing of the answer (log-SNR far below -2), so that all the estimate can know is its input.
A stage that takes no steps is asked for its plain answer.
"""

from __future__ import annotations

from torch import Tensor

from dynaxx.lens.bench import Bench
from dynaxx.lens.findings import Level
from dynaxx.lens.outcome import Outcome, finding
from dynaxx.metrics.fidelity import mse
from dynaxx.metrics.interval import Interval
from dynaxx.metrics.means import ratio_of_means
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import DenoisingStage

LEAST = 1.1
"""The least rise that counts as using the input."""


def low_matters(bench: Bench, *, rows: int) -> Outcome:
    """The rise for every node that has a low input."""
    found = []
    for node in bench.later():
        if node.stage.inputs["low"].hand == "noisy" or node.stage.inputs["low"].via == "start":
            continue  # the state itself holds the input there
        interval = rise(bench, node, rows=rows)
        matters = interval.high > LEAST
        says = f"With another sample's input its estimate is {interval.value:.2g} times as wrong" + (
            "." if matters else ", so it hardly uses its input."
        )
        level: Level = "healthy" if matters else "watch"
        found.append(
            finding("low_matters", node.name, "does the low input matter", interval, unit="ratio", says=says,
                    level=level, reference=1.0, least=LEAST)
        )  # fmt: skip
    return Outcome(tuple(found))


def rise(bench: Bench, node: Node, *, rows: int) -> Interval:
    """How many times as wrong the estimate is with the inputs shuffled across the batch."""
    low = bench.low_of(node)[:rows]
    truth = bench.truths.get(node.name, bench.chain[node.name] if not bench.truths else low)[:rows]
    wrong = mse(_estimate(bench, node, low.roll(1, 0)), truth)
    return ratio_of_means(wrong, mse(_estimate(bench, node, low), truth).clamp_min(1e-12))


def _estimate(bench: Bench, node: Node, low: Tensor) -> Tensor:
    cascade = bench.taps.cascade
    if isinstance(node.stage, DenoisingStage):
        cascade = cascade.with_settings({f"{node.stage.name}.solver.steps": 1})
    return bench.on(node, low, rows=len(low), cascade=cascade)
