"""Other ways to run the same cascade: placements and batches, what each takes, and those that no other beats."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from dynaxx.metrics.front import front
from dynaxx.plan.events import Placement
from dynaxx.plan.fetching import run_time
from dynaxx.plan.placement import Wanted
from dynaxx.plan.predict import RunPlan, plan_run
from dynaxx.plan.profiles import Building
from dynaxx.plan.time.interval import NOTHING, Interval
from dynaxx.plan.told import Teller
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node

PLACEMENTS: tuple[Wanted, ...] = ("resident", "one-at-a-time")


@final
@dataclass(frozen=True)
class Way:
    """A placement and a batch: memory of the run, the time of one sample of it, and the weights that come anew.

    `fetched_bytes` of weights have to be fetched again for every run, since they were let go of, or come block by block
    where a stage is `streamed`. What of that no stage's work hides is `fetch_s` of `latency_s`, of one sample too; None
    where nothing tells it, so that it is not in `latency_s`.
    """

    placement: Placement
    batch: int
    peak_bytes: float
    latency_s: Interval
    fetched_bytes: int = 0
    streamed: tuple[str, ...] = ()
    fetch_s: Interval | None = NOTHING


def ways(
    spec: CascadeSpec,
    graph: Sequence[Node],
    teller: Teller,
    *,
    samples: int,
    decode: Collection[str] = (),
    on_cpu: bool,
    cap_bytes: int | None = None,
    build: Building | None = None,
    root: Path | None = None,
) -> list[Way]:
    """The front of memory, latency and weights fetched of a run of so many samples, least memory first.

    Fetching is not free, so that one at a time does not beat what stays. Under a cap stages that are larger are
    streamed, and ways that need more than it are left out, unless all do. Empty where stages are unknown.
    """
    found: list[Way] = []
    for placement in _wanted(len(graph), cap_bytes):
        for batch in _batches(samples):
            run = plan_run(
                spec, graph, samples=samples, batch=batch, placement=placement, decode=decode, on_cpu=on_cpu,
                cap_bytes=cap_bytes, build=build, root=root,
            )  # fmt: skip
            if (time := run_time(teller, run)) is None:
                return []
            each, streamed = time.latency_s.times(1 / samples), tuple(sorted(run.lie.streamed))
            waits = None if time.fetch_s is None else time.fetch_s.times(1 / samples)
            found.append(Way(run.placement, batch, run.peak_bytes, each, fetched_bytes(run), streamed, waits))
    fitting = [one for one in found if cap_bytes is None or one.peak_bytes <= cap_bytes]
    return sorted(front(list(dict.fromkeys(fitting or found)), _costs), key=lambda one: one.peak_bytes)


def fetched_bytes(run: RunPlan) -> int:
    """The weights that a run lets go of, so that the next one has to fetch them again, and those that are streamed."""
    weights = {one.node.stage.name: one.weights for one in run.nodes if one.streamed is None}
    evicted = [event.name for event in run.events if event.kind == "evict"]
    return sum(weights.get(name, 0) for name in evicted) + sum(one.brought_bytes for one in run.nodes)


def _wanted(stages: int, cap_bytes: int | None) -> Sequence[Wanted]:
    placements = PLACEMENTS if stages > 1 else PLACEMENTS[:1]
    return placements if cap_bytes is None else ("auto", *placements)


def _batches(samples: int) -> list[int]:
    sizes = [2**i for i in range(samples.bit_length())]
    return sorted({*(n for n in sizes if n <= samples), samples})


def _costs(one: Way) -> tuple[float, float, int]:
    return one.peak_bytes, one.latency_s.value, one.fetched_bytes
