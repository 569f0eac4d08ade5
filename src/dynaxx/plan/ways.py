"""Other ways to run the same cascade: placements and batches, what each takes, and those that no other beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from dynaxx.plan.events import Placement
from dynaxx.plan.predict import RunPlan, plan_run
from dynaxx.plan.profiles import Building
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.told import Teller
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node

PLACEMENTS: tuple[Placement, ...] = ("resident", "one-at-a-time")


@final
@dataclass(frozen=True)
class Way:
    """A placement and a batch: memory of the run, and the time of one sample of it."""

    placement: Placement
    batch: int
    peak_bytes: float
    latency_s: Interval


def ways(
    spec: CascadeSpec,
    graph: Sequence[Node],
    teller: Teller,
    *,
    samples: int,
    on_cpu: bool,
    build: Building | None = None,
) -> list[Way]:
    """The front of memory and latency of a run of so many samples, least memory first; empty where stages are unknown.

    What fetching weights takes, where stages come one at a time, is not counted.
    """
    found: list[Way] = []
    for placement in PLACEMENTS if len(graph) > 1 else PLACEMENTS[:1]:
        for batch in _batches(samples):
            run = plan_run(
                spec, graph, samples=samples, batch=batch, placement=placement, on_cpu=on_cpu, build=build
            )  # fmt: skip
            latency = _seconds(teller, run)
            if latency is None:
                return []
            found.append(Way(placement, batch, run.peak_bytes, latency.times(1 / samples)))
    kept = [one for one in found if not any(_beats(other, one) for other in found)]
    return sorted(kept, key=lambda one: one.peak_bytes)


def _seconds(teller: Teller, run: RunPlan) -> Interval | None:
    """How long a run takes, its stages one after another; None where one is not known."""
    total = Interval(0.0, 0.0, 0.0)
    for one in run.nodes:
        if one.profile is None:
            return None
        took = teller.seconds(one.node, one.profile, one.work, samples=one.samples, batch=one.batch)
        total = total.plus(took)
    return total


def _batches(samples: int) -> list[int]:
    sizes = [2**i for i in range(samples.bit_length())]
    return sorted({*(n for n in sizes if n <= samples), samples})


def _beats(a: Way, b: Way) -> bool:
    no_worse = a.peak_bytes <= b.peak_bytes and a.latency_s.value <= b.latency_s.value
    return no_worse and (a.peak_bytes < b.peak_bytes or a.latency_s.value < b.latency_s.value)
