"""Tells the plan what runs really took, so that it predicts the next one better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.trace import NodeRecord, Trace
from dynaxx.errors import DynaxxError
from dynaxx.plan.predict import plan_run
from dynaxx.plan.profiles import name_of
from dynaxx.plan.told import teller_for, way_of
from dynaxx.signal.device import kinds
from dynaxx.spec.graph import nodes

_seen: set[str] = set()
"""The stages that this process has run before, in whatever way: their next batches are warm."""


def observe(cascade: Cascade, trace: Trace) -> int:
    """Keep what every stage of ours took, batch by batch, where this machine is calibrated; give how many were kept.

    A process' first batch of a stage is kept as a cold one, those after it as warm. Runs over several devices, in half
    precision, with levers, where weights come and go, or that tried out batches are another matter, and left out.
    """
    runtime, asks = cascade.runtime, cascade.spec.condition
    graph = {node.name: node for node in nodes(cascade.spec, size=runtime.size)}
    before, ran = set(_seen), [graph[record.name] for record in trace.nodes if record.name in graph]
    _seen.update(name for node in ran if (name := name_of(node, asks)) is not None)
    if (
        runtime.on.type not in kinds()
        or runtime.spreads
        or runtime.frugal
        or runtime.levers
        or runtime.dtype != torch.float32
    ):
        return 0
    teller, _ = teller_for(str(runtime.on), asks)
    if teller is None or teller.seen is None:
        return 0
    count = 0
    for record in trace.nodes:
        node = graph.get(record.name)
        if node is None or record.probed or not record.took or (way := way_of(node, teller.asks, 1)) is None:
            continue
        try:
            one = plan_run(cascade.spec, [node]).nodes[0]
        except DynaxxError:
            continue
        if one.profile is None:
            continue
        for batch, took_s, cold in _batches(record, cold=way.stage not in before):
            run = way_of(node, teller.asks, batch)
            assert run is not None
            told = teller.told(node, one.profile, one.work, batch)
            teller.seen.add(run, told=told.value, seen=took_s, cold=cold)
        before.add(way.stage)
        count += 1
    if count:
        teller.seen.keep()
    return count


def _batches(record: NodeRecord, *, cold: bool) -> Iterator[tuple[int, float, bool]]:
    """The first batch by itself where it is cold, and the mean of the others, by their size."""
    if cold:
        yield *record.took[0], True
    warm: Sequence[tuple[int, float]] = record.took[1:] if cold else record.took
    for size in dict.fromkeys(count for count, _ in warm):
        took = [seconds for count, seconds in warm if count == size]
        yield size, sum(took) / len(took), False
