"""Other ways to run the same cascade: placements and batches, what each takes, and those that no other beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from dynaxx.metrics.front import front
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
    """A placement and a batch: memory of the run, the time of one sample of it, and the weights that come anew.

    `fetched_bytes` of weights have to be fetched again for every run, since they were let go of; how long that takes
    depends on where they lie, and is not in `latency_s`.
    """

    placement: Placement
    batch: int
    peak_bytes: float
    latency_s: Interval
    fetched_bytes: int = 0


def ways(
    spec: CascadeSpec,
    graph: Sequence[Node],
    teller: Teller,
    *,
    samples: int,
    on_cpu: bool,
    build: Building | None = None,
    root: Path | None = None,
) -> list[Way]:
    """The front of memory, latency and weights fetched of a run of so many samples, least memory first.

    Fetching is not free, so that one at a time does not beat what stays. Empty where stages are unknown.
    """
    found: list[Way] = []
    for placement in PLACEMENTS if len(graph) > 1 else PLACEMENTS[:1]:
        for batch in _batches(samples):
            run = plan_run(
                spec, graph, samples=samples, batch=batch, placement=placement, on_cpu=on_cpu, build=build, root=root
            )  # fmt: skip
            latency = _seconds(teller, run)
            if latency is None:
                return []
            found.append(Way(placement, batch, run.peak_bytes, latency.times(1 / samples), fetched_bytes(run)))
    return sorted(front(found, _costs), key=lambda one: one.peak_bytes)


def fetched_bytes(run: RunPlan) -> int:
    """The weights that a run lets go of, and that the next one has to fetch again."""
    weights = {one.node.stage.name: one.weights for one in run.nodes}
    return sum(weights[event.name] for event in run.events if event.kind == "evict")


def _seconds(teller: Teller, run: RunPlan) -> Interval | None:
    """How long a run takes, its stages one after another; None where one is not known."""
    total = Interval(0.0, 0.0, 0.0)
    for one in run.nodes:
        if one.profile is None or not teller.knows(one.profile):
            return None
        took = teller.seconds(one.node, one.profile, one.work, samples=one.samples, batch=one.batch)
        total = total.plus(took)
    return total


def _batches(samples: int) -> list[int]:
    sizes = [2**i for i in range(samples.bit_length())]
    return sorted({*(n for n in sizes if n <= samples), samples})


def _costs(one: Way) -> tuple[float, float, int]:
    return one.peak_bytes, one.latency_s.value, one.fetched_bytes
