"""A plan as plain data: what `dynaxx plan` prints as a table, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dynaxx.plan.events import Placement
from dynaxx.plan.predict import NodePlan, TrainPlan, plan_run, plan_training
from dynaxx.plan.profiles import Building
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
    placement: Placement = "resident"
    size: tuple[int, ...] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"


def answer(question: Question) -> dict[str, Any]:
    """What sampling and training will take, stage by stage.

    Raises:
        SpecError: if the file, a setting or a network is wrong.
    """
    file = resolve(question.file)
    spec = override(load(file), question.settings)
    graph = nodes(spec, size=question.size)
    run = plan_run(
        spec, graph, samples=question.samples, batch=question.batch, placement=question.placement,
        on_cpu=not question.device.startswith("cuda"), build=exact_stages(spec, graph, file.parent),
    )  # fmt: skip
    training = plan_training(spec, graph)
    unknown = dict.fromkeys([*run.unknown, *(one.unknown for one in training if one.unknown)])
    return {
        "name": spec.name, "device": question.device, "placement": question.placement, "samples": question.samples,
        "batch": min(question.batch, question.samples), "nodes": [_node(one) for one in run.nodes],
        "run": {"parameters": run.parameters, "peak_bytes": round(run.peak_bytes)},
        "events": [str(event) for event in run.events], "training": [_stage(one) for one in training],
        "unknown": list(unknown),
    }  # fmt: skip


def exact_stages(spec: CascadeSpec, graph: tuple[Node, ...], root: Path | None) -> Building:
    """Builds the stages that have no network, whose cost depends on their data."""

    def build(node: Node) -> Stage:
        return build_stages(spec, graph, root=root, fresh=True, only={node.stage.name})[node.stage.name]

    return build


def _node(one: NodePlan) -> dict[str, Any]:
    return {
        "name": one.node.name, "stage": one.node.stage.name, "grid": str(one.node.grid), "kind": one.node.stage.kind,
        "parameters": one.parameters, "weights_bytes": one.weights, "evaluations": sum(one.passes.values()) or 1,
        "flops": one.flops, "own_peak_bytes": round(one.own_bytes), "peak_bytes": round(one.peak_bytes),
        "unknown": one.unknown,
    }  # fmt: skip


def _stage(one: TrainPlan) -> dict[str, Any]:
    return {
        "name": one.node.stage.name, "grid": str(one.node.grid), "batch": one.batch * one.parts, "steps": one.steps,
        "flops_per_step": one.flops, "flops": one.flops * one.steps, "peak_bytes": round(one.peak_bytes),
        "unknown": one.unknown,
    }  # fmt: skip
