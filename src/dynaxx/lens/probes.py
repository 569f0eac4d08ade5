"""The list of probes: what each costs, what it runs, and which of them a budget pays for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, final

from dynaxx.errors import UsageError
from dynaxx.lens.asked import ROWS
from dynaxx.lens.bench import Bench
from dynaxx.lens.consistency import consistency
from dynaxx.lens.corrupt import CORRUPTIONS
from dynaxx.lens.crossing import foreign
from dynaxx.lens.flicker import flickers
from dynaxx.lens.gain import SIZES, gain
from dynaxx.lens.hand_over import hand_over
from dynaxx.lens.level_borne import level_borne
from dynaxx.lens.low_matters import low_matters
from dynaxx.lens.outcome import Outcome
from dynaxx.lens.restoration import restoration
from dynaxx.lens.settings import Setting, settings
from dynaxx.lens.spectra import detail, ownership
from dynaxx.lens.sweep import sweep
from dynaxx.metrics.spectrum import octaves
from dynaxx.plan.walk import network_calls
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import EmpiricalStage, GaussianStage

Budget = Literal["quick", "full"] | float
Cost = Mapping[str, int]
"""Network evaluations by node, all samples together."""
NO_TRUTH = "it needs reference data"


@final
@dataclass(frozen=True)
class Rows:
    """Samples that the costlier probes are run on."""

    restoration: int
    gain: int
    sweep: int


QUICK, FULL = Rows(16, 8, 32), Rows(32, 16, 64)


@final
@dataclass(frozen=True)
class Probe:
    """A probe as it is planned: its name, its cost beyond the probes before it, and what runs it."""

    name: str
    cost: Cost
    run: Callable[[Bench], Outcome]
    needs_truth: bool = False
    quick: bool = True

    @property
    def evaluations(self) -> int:
        """Network evaluations, all nodes and samples together."""
        return sum(self.cost.values())


def known(bench: Bench, budget: Budget) -> list[Probe]:
    """Every probe that this cascade has a use for, the most telling first."""
    rows = _held(QUICK if budget == "quick" else FULL, bench.taps.count)
    exact = all(isinstance(node.stage, GaussianStage | EmpiricalStage) for node in bench.graph)
    found = [
        *_between(bench, rows.sweep),
        Probe("consistency", {}, consistency),
        Probe("low_matters", _low_matters_cost(bench, rows.sweep), partial(low_matters, rows=rows.sweep)),
        Probe("ownership", {}, ownership),
        Probe("detail", {}, detail, needs_truth=True),
        Probe("flicker", {}, flickers),
        Probe("restoration", _later(bench, (1 + len(CORRUPTIONS)) * rows.restoration),
              partial(restoration, rows=rows.restoration)),
        Probe("gain", _gain_cost(bench, rows.gain), partial(gain, rows=rows.gain)),
    ]  # fmt: skip
    for setting in settings(bench):
        found.append(
            Probe(f"{setting.probe} {setting.node.name}.{setting.key}", _sweep_cost(bench, setting, rows.sweep),
                  partial(sweep, setting=setting, rows=rows.sweep), needs_truth=True,
                  quick=exact and setting.kind == "level")
        )  # fmt: skip
    return found


def core_cost(bench: Bench) -> Cost:
    """What the exams and the error table take: node i of a line is run i + 1 times, once for each start.

    The first is asked for something else once more.
    """
    n, truth = bench.taps.count, bench.reference is not None
    asked = min(ROWS, n) if truth and (bench.taps.prompts or bench.taps.labels) else 0
    runs = [(i + 1 if truth else 1) * n + (0 if node.inputs else asked) for i, node in enumerate(bench.graph)]
    return {node.name: count * network_calls(node) for node, count in zip(bench.graph, runs, strict=True)}


def afforded(
    probes: Sequence[Probe], budget: Budget, *, has_truth: bool, second: Mapping[str, float], spent: float
) -> list[tuple[Probe, str | None]]:
    """Each probe with the reason why it is left out, if it is; `second` is the time of one evaluation by node.

    Raises:
        UsageError: where the budget is not above 0.
    """
    if not isinstance(budget, str) and not budget > 0:
        raise UsageError("budget", f"cannot be {budget}.", "Say quick, full, or a number of seconds.")
    found = []
    for probe in probes:
        takes = sum(count * second.get(name, 0.0) for name, count in probe.cost.items())
        if probe.needs_truth and not has_truth:
            reason: str | None = NO_TRUTH
        elif budget == "quick" and not probe.quick:
            reason = "it is part of the full budget"
        elif not isinstance(budget, str) and spent + takes > budget:
            reason = "the budget does not pay for it"
        else:
            reason, spent = None, spent + takes
        found.append((probe, reason))
    return found


def _between(bench: Bench, rows: int) -> list[Probe]:
    """What is asked where somebody else's signals are handed on."""
    nodes = [node for node in bench.graph if foreign(node)]
    cost = {node.name: rows * network_calls(node) for node in nodes}
    if not nodes:
        return []
    return [
        Probe("level_borne", cost, partial(level_borne, rows=rows)),
        Probe("hand_over", cost, partial(hand_over, rows=rows)),
    ]


def _held(rows: Rows, count: int) -> Rows:
    return Rows(min(rows.restoration, count), min(rows.gain, count), min(rows.sweep, count))


def _later(bench: Bench, samples: int) -> Cost:
    return {node.name: samples * network_calls(node) for node in bench.later()}


def _low_matters_cost(bench: Bench, rows: int) -> Cost:
    return {node.name: 2 * rows for node in bench.later()}


def _gain_cost(bench: Bench, rows: int) -> Cost:
    def runs(node: Node) -> int:
        return 1 + len(SIZES) * (len(octaves(bench.low(node).grid.size)) + 1)

    return {node.name: runs(node) * rows * network_calls(node) for node in bench.later()}


def _sweep_cost(bench: Bench, setting: Setting, rows: int) -> Cost:
    """Every value takes the node and those after it once; of steps each value has its own number."""
    names = [node.name for node in bench.graph]
    after = bench.graph[names.index(setting.node.name) :]
    cost = {node.name: len(setting.values) * rows * network_calls(node) for node in after}
    if setting.key == "steps":
        walked = sum(setting.values) / setting.now / len(setting.values)
        cost[setting.node.name] = round(cost[setting.node.name] * walked)
    return cost
