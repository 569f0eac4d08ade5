"""The lens over a whole cascade: probes in their order, a step for each, and the report at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import dynaxx
from dynaxx.engine.cascade import Cascade
from dynaxx.lens.against import against, against_cost
from dynaxx.lens.alarms import alarms
from dynaxx.lens.bench import Bench
from dynaxx.lens.diagnose import Diagnosis, diagnose
from dynaxx.lens.error_table import ErrorTable, error_table
from dynaxx.lens.exam import Exam, examine
from dynaxx.lens.findings import Lensed
from dynaxx.lens.outcome import Outcome
from dynaxx.lens.probes import NO_TRUTH, Budget, Probe, afforded, core_cost, known
from dynaxx.lens.write_up import write_up
from dynaxx.plan.walk import network_calls

CALIBRATE = 8
"""Samples that one evaluation's time is measured on."""


@final
@dataclass(frozen=True)
class Done:
    """A probe that is done: its number of `count`, what it cost, and whether all of it was known from before."""

    name: str
    index: int
    count: int
    evaluations: int
    latency_s: float
    cached: bool
    left_out: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Its line in the report's method."""
        return {
            "name": self.name, "nfe": self.evaluations, "latency_s": self.latency_s, "cached": self.cached,
            "left_out": self.left_out,
        }  # fmt: skip


@final
@dataclass
class Look:
    """A look through the lens, step by step; `plan` says before what it will cost."""

    bench: Bench
    budget: Budget = "quick"
    other: Cascade | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    exams: list[Exam] = field(default_factory=list)
    table: ErrorTable | None = None
    diagnoses: list[Diagnosis] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    done: list[Done] = field(default_factory=list)

    def plan(self) -> list[tuple[Probe, str | None]]:
        """The probes, each with the reason why it is left out, if it is; the first stands for exams and error table."""
        core = Probe("exam and error table", core_cost(self.bench), lambda bench: Outcome())
        truth = self.bench.reference is not None
        second = {} if isinstance(self.budget, str) else self.second
        spent = sum(count * second.get(name, 0.0) for name, count in core.cost.items())
        probes = known(self.bench, self.budget)
        rest = afforded(probes, self.budget, has_truth=truth, second=second, spent=spent)
        return [(core, None), *rest, *self._against()]

    def _against(self) -> list[tuple[Probe, str | None]]:
        """The other cascade, where one is named: it was asked for, so that no budget leaves it out."""
        if (other := self.other) is None:
            return []
        probe = Probe("against", against_cost(self.bench, other), lambda bench: against(bench, other), needs_truth=True)
        return [(probe, None if self.bench.reference is not None else NO_TRUTH)]

    @cached_property
    def second(self) -> dict[str, float]:
        """Seconds of one evaluation of one sample, by node, measured on a short run."""
        return seconds(self.bench)

    def steps(self) -> Iterator[Done]:
        """Run the probes; a step after each."""
        plan = self.plan()
        for index, (probe, reason) in enumerate(plan):
            kept, began = self.bench.taps.kept, time.perf_counter()
            made = kept.made
            if index == 0:
                self._core()
            elif reason is None:
                self.outcomes.append(probe.run(self.bench))
            took = time.perf_counter() - began
            cached = reason is None and kept.made == made
            cost = probe.evaluations if reason is None else 0
            self.done.append(Done(probe.name, index, len(plan), cost, took, cached, reason))
            yield self.done[-1]

    def _core(self) -> None:
        self.exams = [examine(self.bench, node) for node in self.bench.graph]
        if self.bench.reference is not None:
            self.table = error_table(self.bench)
        self.diagnoses = diagnose(self.bench, self.exams)

    def lensed(self) -> Lensed:
        """The report, once all steps are done."""
        method = {
            "confidence": 0.95, "family": alarms(self.bench).says(sum(len(exam.signs) for exam in self.exams)),
            "n": self.bench.taps.count, "seeds": [self.bench.taps.seed], "budget": self.budget,
            "features": self.bench.yardstick.name, "kernel": "gaussian, median heuristic on the reference",
            "data": self.bench.reference.name if self.bench.reference else None,
            "nfe": sum(done.evaluations for done in self.done),
            "latency_s": sum(done.latency_s for done in self.done),
            "device": str(self.bench.taps.cascade.runtime.on), "version": dynaxx.__version__, **self.facts,
            "probes": [done.to_json() for done in self.done],
        }  # fmt: skip
        return write_up(self.bench, self.table, self.diagnoses, self.outcomes, method)


def seconds(bench: Bench) -> dict[str, float]:
    """Seconds of one network evaluation of one sample, by node, from a short run."""
    cascade: Cascade = bench.taps.cascade
    asked = bench.taps.prompts[:CALIBRATE] or None
    labels = bench.taps.labels[:CALIBRATE] or None
    given = {name: x[:CALIBRATE] for name, x in bench.taps.given.items()}
    drawn = cascade.sample(asked, labels=labels, num=1 if asked or labels else CALIBRATE, seed=0, given=given)
    cost = {node.name: network_calls(node) for node in bench.graph}
    return {record.name: record.latency_per_sample_s / cost[record.name] for record in drawn.trace.nodes}
