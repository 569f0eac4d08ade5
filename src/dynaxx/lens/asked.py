"""Whether a stage hears what it is asked for: asked for something else, with the same noise, it answers otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from torch import Tensor

from dynaxx.lens.bench import Bench
from dynaxx.lens.pairing import distances
from dynaxx.lens.signs import Sign
from dynaxx.metrics.fidelity import mse
from dynaxx.metrics.interval import Estimate
from dynaxx.metrics.means import mean_of
from dynaxx.spec.graph import Node

T = TypeVar("T")
ROWS = 16
"""Samples that are asked for something else."""
STILL = 0.01
"""An answer that moves by less than this share of the distance between two true signals has stayed as it was."""
UNHEARD = 0.5
"""The least share of such answers that counts."""


def asked_otherwise(bench: Bench, node: Node, x: Tensor) -> Iterator[Sign]:
    """The share of answers that stay as they are when each sample is asked for what the next one is.

    It is not asked where fewer than half of the next ones are asked for something else, as `alike` says.
    """
    rows = min(ROWS, len(x))
    prompts, labels = _next(bench.taps.prompts, rows), _next(bench.taps.labels, rows)
    other = _differing(bench, rows)
    if len(other) < rows / 2:
        return
    taps, truth = bench.taps, bench.truths[node.name][:rows]
    answers = taps.answer(node.name, bench.given, rows=range(rows), prompts=prompts, labels=labels)
    typical = distances(truth, truth).sum() / (rows * (rows - 1))  # answers may be all alike
    stayed = mean_of((mse(answers, x[:rows]) < STILL**2 * typical)[other].double())
    yield Sign("unheard", Estimate(stayed.value, max(stayed.variance, 1 / stayed.n**2), stayed.n), UNHEARD)


def alike(bench: Bench, count: int) -> str | None:
    """Why samples that are asked for something are not asked for something else; None where they are."""
    taps, rows = bench.taps, min(ROWS, count)
    if not (taps.prompts or taps.labels) or len(other := _differing(bench, rows)) >= rows / 2:
        return None
    return f"only {len(other)} of {rows} samples are asked for something else than the next one"


def _differing(bench: Bench, rows: int) -> list[int]:
    """The samples whose next one is asked for something else."""
    asked = [given for given in (bench.taps.prompts, bench.taps.labels) if given]
    return [i for i in range(rows) if any(_next(given, rows)[i] != given[i] for given in asked)]


def _next(given: Sequence[T], rows: int) -> tuple[T, ...]:
    """What each of the first samples' next one is asked for; nothing where nothing is asked for."""
    return (*given[1:rows], *given[:1])
