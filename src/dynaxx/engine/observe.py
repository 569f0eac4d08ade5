"""Tells the plan what runs really took, so that it predicts the next one better."""

from __future__ import annotations

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.trace import Trace
from dynaxx.errors import DynaxxError
from dynaxx.plan.predict import plan_run
from dynaxx.plan.profiles import name_of
from dynaxx.plan.time.calibrate import calibrated, observed
from dynaxx.plan.time.choose import run_seconds
from dynaxx.spec.graph import nodes

_seen: set[str] = set()
"""The stages that this process has run before: their next runs are warm."""


def observe(cascade: Cascade, trace: Trace) -> int:
    """Keep what every stage of ours took, where this machine is calibrated; give how many were kept.

    A process' first run of a stage is kept as a cold one. Runs over several devices, under a memory cap, or that tried
    out batches are another matter, and left out.
    """
    runtime = cascade.runtime
    clock = calibrated(runtime.on)
    if clock is None or runtime.spread or runtime.memory_cap:
        return 0
    graph, kept, count = nodes(cascade.spec, size=runtime.size), observed(runtime.on), 0
    for record in trace.nodes:
        node = next((node for node in graph if node.name == record.name), None)
        name = None if node is None else name_of(node, cascade.spec.condition)
        if node is None or name is None or record.probed:
            continue
        try:
            one = plan_run(cascade.spec, [node], samples=record.samples, batch=record.batch_size).nodes[0]
        except DynaxxError:
            continue
        if one.profile is not None:
            told = run_seconds(
                clock, one.profile, one.work, samples=record.samples, batch=one.batch, size=node.grid.size
            )  # fmt: skip
            kept.add(name, told=told.value, seen=record.latency_s, cold=name not in _seen)
            _seen.add(name)
            count += 1
    if count:
        kept.keep()
    return count
