"""Whether a stage hears what it is asked for: asked for something else, with the same noise, it answers otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from dynaxx.lens.bench import Bench
from dynaxx.lens.pairing import distances
from dynaxx.lens.signs import Sign
from dynaxx.metrics.fidelity import mse
from dynaxx.metrics.interval import Estimate
from dynaxx.metrics.means import mean_of
from dynaxx.spec.graph import Node

ROWS = 16
"""Samples that are asked for something else."""
STILL = 0.01
"""An answer that moves by less than this share of the distance between two answers has stayed as it was."""
UNHEARD = 0.5
"""The least share of such answers that counts."""


def asked_otherwise(bench: Bench, node: Node, x: Tensor) -> Iterator[Sign]:
    """The share of answers that stay as they are when each sample is asked for what the next one is."""
    taps, rows = bench.taps, min(ROWS, len(x))
    prompts, labels = taps.prompts[1:rows] + taps.prompts[:1], taps.labels[1:rows] + taps.labels[:1]
    pairs = [*zip(prompts, taps.prompts, strict=False)], [*zip(labels, taps.labels, strict=False)]
    other = [i for i in range(rows) if any(a != b for pair in pairs for a, b in pair[i : i + 1])]
    if len(other) < rows / 2:
        return
    answers = taps.answer(node.name, bench.given, rows=range(rows), prompts=prompts, labels=labels)
    typical = distances(x[:rows], x[:rows]).sum() / (rows * (rows - 1))
    stayed = mean_of((mse(answers, x[:rows]) < STILL**2 * typical)[other].double())
    yield Sign("unheard", Estimate(stayed.value, max(stayed.variance, 1 / rows**2), stayed.n), UNHEARD)
