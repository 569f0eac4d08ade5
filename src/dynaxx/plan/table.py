"""A plan as plain data: what `dynaxx plan` prints as a table, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from dynaxx.errors import UsageError
from dynaxx.plan.assign import Spread
from dynaxx.plan.codecs import CodecPlan
from dynaxx.plan.energy import energy_kwh, watts_of
from dynaxx.plan.events import shown_at_end
from dynaxx.plan.fetching import run_time
from dynaxx.plan.money import Price, cost, prices
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.pace import on_cpu
from dynaxx.plan.placement import Wanted
from dynaxx.plan.predict import RunPlan, plan_run
from dynaxx.plan.profiles import Building
from dynaxx.plan.resident import run_resident_bytes, training_resident_bytes
from dynaxx.plan.spread import SpreadPlan, SpreadQuestion, plan_spread
from dynaxx.plan.time.interval import Interval, in_turn
from dynaxx.plan.told import Teller, teller_for
from dynaxx.plan.training import TrainPlan, plan_training
from dynaxx.plan.way_out import misfits
from dynaxx.plan.ways import fetched_bytes, ways
from dynaxx.spec.bundled import resolve
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import load
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.override import override
from dynaxx.stage.build import build_stages
from dynaxx.stage.stage import Stage


@dataclass(frozen=True)
class Question:
    """What is asked of a cascade file."""

    file: str
    samples: int = 1
    batch: int = 64
    placement: Wanted = "auto"
    memory_cap: int | None = None
    size: tuple[int, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    devices: Sequence[str] | Spread | None = None
    compared: bool = False
    """Whether other placements and batches are told too."""


def answer(question: Question) -> dict[str, Any]:
    """What sampling and training will take, stage by stage.

    Raises:
        SpecError: if the file, a setting or a network is wrong.
    """
    file = resolve(question.file)
    spec = override(load(file), question.settings)
    return answer_for(spec, question, root=file.parent)


def answer_for(spec: CascadeSpec, question: Question, *, root: Path | None = None) -> dict[str, Any]:
    """What sampling and training a cascade will take."""
    graph = nodes(spec, size=question.size)
    build = exact_stages(spec, graph, root)
    teller, source = teller_for(question.device, spec.condition)
    again = partial(_run, spec, question, root, teller)
    run, spread = again({}, question.samples, question.batch)
    training = plan_training(spec, graph, on_cpu=on_cpu(question.device))
    unknown = dict.fromkeys([*run.unknown, *(one.unknown for one in training if one.unknown)])
    timed, price = _Timed(teller), prices().get(question.device)
    watts, many = watts_of(question.device, price), len(spread.devices) if spread else 1
    time = None if teller is None or spread is not None else run_time(teller, run)
    latency = spread.pace.run_s if spread else None if time is None or not run.nodes else time.latency_s
    hours = timed.total([timed.training(one) for one in training])
    return {
        "name": spec.name, "device": question.device, "clock": source,
        "placement": "spread" if spread else run.placement,
        "memory_cap_bytes": question.memory_cap, "streamed": sorted(run.lie.streamed), "kept": sorted(run.lie.kept),
        "samples": question.samples, "batch": spread.batch if spread else min(question.batch, question.samples),
        "spread": spread and _spread(spread),
        "nodes": [_node(one) | {"latency_s": _plain(timed.node(one))} for one in run.nodes],
        "run": {
            "parameters": run.parameters, "peak_bytes": round(run.peak_bytes),
            "resident_bytes": None if spread else _rounded(run_resident_bytes(run)), "latency_s": _plain(latency),
            "fetch_s": _plain(time.fetch_s) if time else None,
            "brought_bytes": sum(one.brought_bytes for one in run.nodes),
            "first_extra_s": timed.first_extra_s(run.nodes),
            "usd_per_1000": _usd(price, latency, many * 1000 / question.samples),
            "kwh_per_1000": _kwh(watts, latency, many * 1000 / question.samples),
        },
        "ways": _ways(spec, graph, teller, question, build, root) if question.compared else [],
        "fetched_bytes": fetched_bytes(run), "codecs": [_codec(one) for one in run.codecs],
        "misfits": [asdict(one) for one in misfits(run, spec, lambda *changed: again(*changed)[0])],
        "events": [str(event) for event in run.events],
        "training": [_stage(one) | {"train_s": _plain(timed.training(one))} for one in training],
        "train": {"train_s": _plain(hours), "usd": _usd(price, hours, 1.0), "kwh": _kwh(watts, hours, 1.0)},
        "price": None if price is None else price.model_dump(), "unknown": list(unknown),
    }  # fmt: skip


def _run(
    spec: CascadeSpec,
    question: Question,
    root: Path | None,
    teller: Teller | None,
    settings: Mapping[str, Any],
    samples: int,
    batch: int,
) -> tuple[RunPlan, SpreadPlan | None]:
    """The run that is asked for, with settings changed; latents are decoded at its end, as `dynaxx sample` does."""
    spec = override(spec, settings) if settings else spec
    graph = nodes(spec, size=question.size)
    shown, build = shown_at_end(graph), exact_stages(spec, graph, root)
    if question.devices is not None:
        if question.placement == "one-at-a-time":
            problem = "keep every stage where it is, and --placement one-at-a-time has one come after another."
            raise UsageError("--devices", problem, "Leave out one of the two.")
        asked = SpreadQuestion(question.devices, question.device, samples, batch, question.memory_cap, shown)
        found = plan_spread(spec, graph, asked, teller, build=build, root=root)
        return found.run, found
    run = plan_run(
        spec, graph, samples=samples, batch=batch, placement=question.placement, decode=shown,
        on_cpu=on_cpu(question.device), cap_bytes=question.memory_cap, build=build, root=root,
    )  # fmt: skip
    return run, None


@dataclass(frozen=True)
class _Timed:
    """Durations by a teller; None where there is none, or a stage cannot be told."""

    teller: Teller | None

    def node(self, one: NodePlan) -> Interval | None:
        """All samples through one node."""
        if self.teller is None or one.profile is None or not self.teller.knows(one.profile):
            return None
        return self.teller.seconds(one.node, one.profile, one.work, samples=one.samples, batch=one.batch)

    def first_extra_s(self, several: Sequence[NodePlan]) -> float | None:
        """How much longer a process' first run takes; None unless that and a warm one of every stage were seen."""
        if self.teller is None:
            return None
        extra = [self.teller.first_extra_s(one.node, one.batch) for one in several]
        return None if None in extra else sum(found for found in extra if found is not None)

    def training(self, one: TrainPlan) -> Interval | None:
        """All steps of one stage's training."""
        return None if self.teller is None else one.seconds(self.teller.clock)

    def total(self, several: Sequence[Interval | None]) -> Interval | None:
        """One after another; None where one is not known."""
        known = [one for one in several if one is not None]
        return in_turn(known) if known and len(known) == len(several) else None


def _plain(found: Interval | None) -> dict[str, float] | None:
    return None if found is None else asdict(found)


def _rounded(found: float | None) -> int | None:
    return None if found is None else round(found)


def _usd(price: Price | None, found: Interval | None, times: float) -> dict[str, Any] | None:
    if price is None or found is None:
        return None
    told = cost(price, found.times(times))
    spot = None if told.spot_usd is None else asdict(told.spot_usd)
    return {"on_demand": asdict(told.usd), "spot": spot}


def _kwh(watts: float | None, found: Interval | None, times: float) -> dict[str, float] | None:
    return None if watts is None or found is None else asdict(energy_kwh(watts, found.times(times)))


def _ways(
    spec: CascadeSpec,
    graph: tuple[Node, ...],
    teller: Teller | None,
    question: Question,
    build: Building,
    root: Path | None,
) -> list[dict[str, Any]]:
    if teller is None:
        return []
    found = ways(
        spec, graph, teller, samples=question.samples, decode=shown_at_end(graph), on_cpu=on_cpu(question.device),
        cap_bytes=question.memory_cap, build=build, root=root,
    )  # fmt: skip
    return [asdict(one) for one in found]


def exact_stages(spec: CascadeSpec, graph: tuple[Node, ...], root: Path | None) -> Building:
    """Builds the stages that have no network, whose cost depends on their data."""

    def build(node: Node) -> Stage:
        return build_stages(spec, graph, root=root, fresh=True, only={node.stage.name})[node.stage.name]

    return build


def _spread(found: SpreadPlan) -> dict[str, Any]:
    pace = found.pace
    return {
        "stages": {name: list(devices) for name, devices in found.spread.items()}, "by": found.by,
        "devices": [asdict(one) for one in found.devices], "host": asdict(found.host),
        "way_s": _plain(pace.way_s), "bottleneck_s": _plain(pace.bottleneck_s), "unpaced": asdict(found.unpaced),
    }  # fmt: skip


def _node(one: NodePlan) -> dict[str, Any]:
    return {
        "name": one.node.name, "stage": one.node.stage.name, "grid": str(one.node.grid), "kind": one.node.stage.kind,
        "parameters": one.parameters, "weights_bytes": one.weights, "evaluations": sum(one.passes.values()) or 1,
        "flops": one.flops, "own_peak_bytes": round(one.own_bytes), "peak_bytes": round(one.peak_bytes),
        "parts": dict(one.parts), "let_go": one.let_go, "comes": one.comes,
        "brought_bytes": one.brought_bytes, "unknown": one.unknown,
    }  # fmt: skip


def _codec(one: CodecPlan) -> dict[str, Any]:
    return {
        "name": one.name, "parameters": one.parameters, "weights_bytes": one.weights, "unknown": one.unknown,
    }  # fmt: skip


def _stage(one: TrainPlan) -> dict[str, Any]:
    return {
        "name": one.node.stage.name, "grid": str(one.node.grid), "batch": one.batch * one.parts, "steps": one.steps,
        "flops_per_step": one.flops, "flops": one.flops * one.steps, "peak_bytes": round(one.peak_bytes),
        "resident_bytes": _rounded(training_resident_bytes(one)), "unknown": one.unknown,
    }  # fmt: skip
