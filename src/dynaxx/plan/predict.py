"""What a cascade will take before it runs: parameters, FLOPs and memory of every node, and of the run as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import final

from dynaxx.errors import RunError
from dynaxx.plan.events import Event, Placement, events
from dynaxx.plan.profile import Profile
from dynaxx.plan.profiles import Building, profile_of
from dynaxx.plan.tiles import one_tile
from dynaxx.plan.tracker import OpKey
from dynaxx.plan.walk import evaluations, steps_of
from dynaxx.plan.wrapped import wrapped
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import PipelineStage

FLOAT = 4
"""Bytes of a number in float32."""
GIB = 2**30


@final
@dataclass(frozen=True)
class NodePlan:
    """One node of a run of `samples` samples, `batch` at a time.

    `flops` are those of one sample. `peak_bytes` is the most that is held while the node runs: its own peak, other
    stages' weights that stay, outputs that somebody still needs. Where a kind cannot be told, `unknown` says why.
    `parts` are a wrapped pipeline's, with their parameters; None where a part's configuration is not there.
    """

    node: Node
    samples: int
    batch: int
    profile: Profile | None = None
    work: Mapping[OpKey, int] = field(default_factory=Counter)
    passes: Mapping[int, int] = field(default_factory=dict)
    parts: Mapping[str, int | None] = field(default_factory=dict)
    peak_bytes: float = 0.0
    unknown: str = ""
    on_cpu: bool = True

    @property
    def parameters(self) -> int:
        """The parameters of the node's network, or of all parts of a wrapped pipeline."""
        return self.profile.parameters if self.profile else 0

    @property
    def weights(self) -> int:
        """The bytes of its weights."""
        return self.profile.weights if self.profile else 0

    @property
    def steps(self) -> int:
        """The steps of the node's walk."""
        return steps_of(self.node)

    @property
    def flops(self) -> float:
        """FLOPs of one sample, all its tiles."""
        part, tiles = one_tile(self.node)
        return tiles * self.profile.flops(self.work, 1, part.grid.size) if self.profile else 0.0

    @property
    def own_bytes(self) -> float:
        """The node's own peak: its weights, its inputs and its workings; in tiles, those of one, and whole signals."""
        if self.profile is None:
            return 0.0
        part, tiles = one_tile(self.node)
        peak = self.profile.peak_bytes(self.batch, part.grid.size, on_cpu=self.on_cpu)
        return peak + (self._whole_bytes + signal_bytes(part.grid, self.batch) if tiles > 1 else 0)

    @property
    def _whole_bytes(self) -> int:
        """The answer that tiles are added to, their shares of each site, and the inputs that they are cut from."""
        node, mine = self.node, signal_bytes(self.node.grid, self.batch)
        per_channel = mine // node.grid.channels
        inputs = [per_channel * node.channels_of(name) for name in node.inputs]
        sources = [signal_bytes(given.grid, self.batch) for given in node.inputs.values()]
        return mine + FLOAT * node.grid.sites + sum(inputs) + sum(sources)


@final
@dataclass(frozen=True)
class RunPlan:
    """A run: its nodes in order, and the events that the engine will carry out."""

    nodes: tuple[NodePlan, ...]
    events: tuple[Event, ...]
    placement: Placement

    @property
    def peak_bytes(self) -> float:
        """The most that is held at once."""
        return max((found.peak_bytes for found in self.nodes), default=0.0)

    @property
    def parameters(self) -> int:
        """The parameters of all stages, each once."""
        return sum({found.node.stage.name: found.parameters for found in self.nodes}.values())

    @property
    def unknown(self) -> tuple[str, ...]:
        """Why some nodes have no figures."""
        return tuple(dict.fromkeys(found.unknown for found in self.nodes if found.unknown))


def plan_run(
    spec: CascadeSpec,
    graph: Sequence[Node],
    *,
    samples: int = 1,
    batch: int = 64,
    placement: Placement = "resident",
    keep: Collection[str] = (),
    on_cpu: bool = True,
    build: Building | None = None,
    root: Path | None = None,
) -> RunPlan:
    """What a run takes, before anything is loaded.

    Resident weights are in a CPU's memory from the beginning, and on a device of their own once they are fetched. What
    is fetched ahead is not counted: it goes where there is room. Wrapped pipelines are looked for beside `root`.

    Raises:
        SpecError: if a network cannot be built.
    """
    found = [replace(_node_plan(node, spec, samples, batch, build, root), on_cpu=on_cpu) for node in graph]
    by_name, kept = {one.node.name: one for one in found}, {*keep, graph[-1].name}
    listed, peaks = events(graph, keep=kept, placement=placement), dict[str, float]()
    every = {one.node.stage.name: one.weights for one in found}
    here, outputs = set(every) if on_cpu and placement == "resident" else set[str](), set[str]()
    asked = _asked_bytes(spec, samples)
    for event in listed:
        match event.kind:
            case "fetch":
                here.add(event.name)
            case "evict":
                here.discard(event.name)
            case "release":
                outputs.discard(event.name)
            case "run":
                one = by_name[event.name]
                others = sum(every[name] for name in here - {one.node.stage.name})
                held = asked + others + sum(signal_bytes(by_name[name].node.grid, samples) for name in outputs)
                peaks[event.name] = held + _running(one)
                outputs.add(event.name)
    return RunPlan(tuple(replace(one, peak_bytes=peaks[one.node.name]) for one in found), listed, placement)


def _running(one: NodePlan) -> float:
    """A node's last batch beside the answers of those before, or all answers while they are joined."""
    answers = signal_bytes(one.node.grid, one.samples)
    last = signal_bytes(one.node.grid, one.samples - one.batch) + one.own_bytes
    return max(last, one.weights + 2 * answers)


def _node_plan(
    node: Node, spec: CascadeSpec, samples: int, batch: int, build: Building | None, root: Path | None
) -> NodePlan:
    at_once, (part, _) = min(batch, samples), one_tile(node)
    try:
        if isinstance(node.stage, PipelineStage):
            found = wrapped(part, root)
            work = found.profile.work(1, found.passes)
            return NodePlan(node, samples, at_once, found.profile, work, found.passes, found.parts)
        profile = profile_of(part, spec.condition, build=build)
    except RunError as error:
        return NodePlan(node, samples, at_once, unknown=str(error))
    passes = evaluations(node)
    return NodePlan(node, samples, at_once, profile, profile.work(steps_of(node), passes), passes)


def signal_bytes(grid: Grid, samples: int) -> int:
    """The bytes of so many signals on a grid."""
    return FLOAT * grid.channels * grid.sites * samples


def _asked_bytes(spec: CascadeSpec, samples: int) -> int:
    text = spec.condition.text
    return samples * text.max_tokens * (text.width * FLOAT + 1) if text else 0
