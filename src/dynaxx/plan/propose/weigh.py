"""What each candidate takes: latency, memory, hours and dollars, from the plan's formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from dynaxx.metrics.front import front
from dynaxx.plan.events import Placement
from dynaxx.plan.fetching import RunTime, fetch_s
from dynaxx.plan.money import HOUR_S, cost, prices
from dynaxx.plan.pace import on_cpu
from dynaxx.plan.predict import GIB, RunPlan, plan_run
from dynaxx.plan.propose.shapes import Shape, cascade_of
from dynaxx.plan.propose.target import Budget, Target
from dynaxx.plan.time.choose import Clock
from dynaxx.plan.time.interval import NOTHING, Interval, in_turn
from dynaxx.plan.told import Teller, teller_of
from dynaxx.plan.training import plan_training
from dynaxx.plan.ways import fetched_bytes
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import nodes

TOGETHER = 0.9
"""The share of their sum that several devices reach in training. An assumption."""
MEMORY_GIB, LATENCY_S = "memory_gib", "latency_s"


@final
@dataclass(frozen=True)
class Candidate:
    """A cascade and what it takes: one sample's latency, each stage's and in all, its memory, the training of all.

    `fetch_s` is the wait for weights that the latency holds; None where nothing tells it, and it is not in there.
    """

    shape: Shape
    spec: CascadeSpec
    run: RunPlan
    latency_s: Interval
    memory_gib: float
    train_gib: float
    train_hours: Interval
    train_cost_usd: float | None
    stages_s: tuple[Interval, ...]
    fetch_s: Interval | None = NOTHING

    def value(self, bound: str) -> float:
        """The figure that a bound of the budget is about: a latency that is not known in full keeps none."""
        if bound == LATENCY_S and self.fetch_s is None:
            return math.inf
        found = getattr(self, bound)
        return float(found.value if isinstance(found, Interval) else 0.0 if found is None else found)

    def fits(self, budget: Budget) -> bool:
        """Whether every bound holds."""
        return not self.breaks(budget)

    def breaks(self, budget: Budget) -> list[str]:
        """The bounds that do not hold."""
        return [bound for bound, most in budget.bounds().items() if self.value(bound) > most]

    @property
    def rank(self) -> tuple[float, int, int]:
        """How much it can do: wider networks before more steps; among equals, stages that share the work."""
        return self.shape.width, ("quick", "usual", "fine").index(self.shape.pace), self.shape.stages


def weigh(target: Target, shape: Shape, clock: Clock, device: str, devices: int) -> list[Candidate]:
    """A shape under each placement that makes a difference, by a device's clock."""
    spec = cascade_of(target, shape)
    teller = teller_of(clock, device, spec.condition)
    placements: Sequence[Placement] = ("resident",) if shape.stages == 1 else ("resident", "one-at-a-time")
    first = _candidate(spec, shape, teller, device, devices, placements[0])
    graph = nodes(spec)
    runs = [plan_run(spec, graph, batch=1, placement=p, on_cpu=on_cpu(device)) for p in placements[1:]]
    return [first, *(_placed(first, run, teller) for run in runs)]


def _placed(one: Candidate, run: RunPlan, teller: Teller) -> Candidate:
    """The candidate with its weights elsewhere: what it waits for them is in its latency where that is known."""
    took = dict(zip((node.node.name for node in run.nodes), one.stages_s, strict=True))
    time = RunTime(took, fetch_s(run, took, teller.clock.transfer))
    return replace(one, run=run, memory_gib=run.peak_bytes / GIB, latency_s=time.latency_s, fetch_s=time.fetch_s)


def _candidate(
    spec: CascadeSpec, shape: Shape, teller: Teller, device: str, devices: int, placement: Placement
) -> Candidate:
    graph = nodes(spec)
    run = plan_run(spec, graph, batch=1, placement=placement, on_cpu=on_cpu(device))
    each = [teller.seconds(one.node, one.profile, one.work) for one in run.nodes if one.profile]
    stages = plan_training(spec, graph, on_cpu=on_cpu(device))
    steps = [took for stage in stages if (took := stage.seconds(teller.clock))]
    assert (len(each), len(steps)) == (len(run.nodes), len(stages))
    latency, training = in_turn(each), in_turn(steps)
    price = prices().get(device)
    usd = cost(price, training).usd.value / TOGETHER if price else None
    wall = training.times(1 / (HOUR_S * (devices * TOGETHER if devices > 1 else 1)))
    held = max(stage.peak_bytes for stage in stages) / GIB
    return Candidate(shape, spec, run, latency, run.peak_bytes / GIB, held, wall, usd, tuple(each))


def unbeaten(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those that no other beats on latency, memory and weights fetched at no less width and pace, by latency."""

    def figures(one: Candidate) -> tuple[float, ...]:
        return one.value(LATENCY_S), one.memory_gib, fetched_bytes(one.run), *(-rank for rank in one.rank[:2])

    return sorted(front(candidates, figures), key=lambda one: (one.value(LATENCY_S), one.latency_s.value))
