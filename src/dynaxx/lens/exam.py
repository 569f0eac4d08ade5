"""A stage examined alone: run on the truth, and held against what it should have answered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

from torch import Tensor

from dynaxx.lens.asked import alike, asked_otherwise
from dynaxx.lens.bench import Bench
from dynaxx.lens.blind import blind
from dynaxx.lens.excuse import excused
from dynaxx.lens.findings import Finding
from dynaxx.lens.misfit import Pair
from dynaxx.lens.outcome import unasked
from dynaxx.lens.pairing import pairing
from dynaxx.lens.signs import DISTANCE, Sign, hidden, signs, strays
from dynaxx.lens.suspect import Suspect
from dynaxx.signal.resample import KERNELS
from dynaxx.spec.graph import Node
from dynaxx.spec.grids import kernels
from dynaxx.spec.stage import PipelineStage

OTHER_SEED = 1_000_003
"""Added to the seed where a stage is run again with other random numbers."""


@final
@dataclass(frozen=True)
class Exam:
    """A node with its pair of answers and truth, every sign that was looked for, and why some were not."""

    node: Node
    pair: Pair
    signs: tuple[Sign, ...]
    left_out: tuple[Finding, ...] = ()


def examine(bench: Bench, node: Node) -> Exam:
    """Look for signs of a fault in one node; without a reference, in what it makes of its low input alone."""
    x = bench.own(node)
    pair = _pair(bench, node, x, len(x))
    found: list[Sign] = []
    if bench.truths:
        found += [*signs(x, pair.truth), Sign("distance", bench.distance(x, node).estimate, DISTANCE)]
    if pair.shrunk is not None and pair.low is not None:
        found += strays(pair.shrunk, pair.low, pair.excused)
        if bench.low(node).edge.level:
            found.append(hidden(pair.shrunk, pair.low))
    if bench.truths and not node.inputs:
        found += asked_otherwise(bench, node, x)
        found += pairing(x, pair.truth) if bench.taps.prompts else ()
    return Exam(node, pair, tuple(found), tuple(_left_out(bench, node, len(x))))


def _left_out(bench: Bench, node: Node, count: int) -> Iterator[Finding]:
    if bench.truths and not node.inputs and (why := alike(bench, count)) is not None:
        yield unasked("exam", node.name, "answers that do not change with what is asked for", why, at="unheard")


def suspect(bench: Bench, exam: Exam, alarms: Sequence[str]) -> Suspect:
    """The node with the means to try it again on a few of the samples; `alarms` are its signs, the strongest first."""
    node, few = exam.node, min(bench.few, len(exam.pair.x))
    if exam.pair.low is None:
        return Suspect(exam.pair, frozenset(alarms), strongest=alarms[0])
    low = exam.pair.low
    start = bench.on(node, low, rows=few)
    return Suspect(
        exam.pair,
        frozenset(alarms),
        strongest=alarms[0],
        down=lambda x: bench.down(x, node),
        few=_pair(bench, node, start, few),
        rerun=lambda other: bench.on(node, other, rows=few),
        again=lambda: bench.on(node, low, rows=few, seed=bench.taps.seed + OTHER_SEED),
        blind=lambda: blind(bench, node, start),
        kernel=_kernels(bench, node),
    )


def _kernels(bench: Bench, node: Node) -> tuple[str, ...]:
    """The kernels that bring the low input up; a wrapped pipeline does so by itself, and no other is looked for."""
    own = kernels(bench.low(node).edge, node.grid.size)
    return tuple(KERNELS if isinstance(node.stage, PipelineStage) else own)


def _pair(bench: Bench, node: Node, x: Tensor, count: int) -> Pair:
    truth = bench.truths.get(node.name, bench.chain[node.name] if not bench.truths else x)[:count]
    if node not in bench.later():
        return Pair(x, truth)
    low = bench.low_of(node)
    return Pair(x, truth, bench.down(x, node), low[:count], excused(node, low))
