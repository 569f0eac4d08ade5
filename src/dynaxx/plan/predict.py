"""What a cascade will take before it runs: parameters, FLOPs and memory of every node, and of the run as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, final

from dynaxx.errors import RunError
from dynaxx.plan.events import Event, Placement, events
from dynaxx.plan.placement import Residence, Wanted, choose
from dynaxx.plan.profile import Profile
from dynaxx.plan.profiles import Building, profile_of
from dynaxx.plan.signals import FLOAT, asked_bytes, signal_bytes
from dynaxx.plan.streamed import streamed_profile
from dynaxx.plan.tiles import one_tile
from dynaxx.plan.tracker import OpKey
from dynaxx.plan.walk import evaluations, steps_of
from dynaxx.plan.weights import weights_of
from dynaxx.plan.wrapped import wrapped
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import PipelineStage

GIB = 2**30


@final
@dataclass(frozen=True)
class NodePlan:
    """One node of a run of `samples` samples, `batch` at a time.

    `flops` are those of one sample. `peak_bytes` is the most that is held while the node runs: its own peak, other
    stages' weights that stay, outputs that somebody still needs. Where a kind cannot be told, `unknown` says why.
    `parts` are a wrapped pipeline's, with their parameters; None where a part's configuration is not there. `streams`
    says whether weights come block by block, `streamed` what is held then by a device that has memory of its own.
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
    streams: bool = False
    streamed: Profile | None = None

    @property
    def parameters(self) -> int:
        """The parameters of the node's network, or of all parts of a wrapped pipeline."""
        return self.profile.parameters if self.profile else 0

    @property
    def weights(self) -> int:
        """The bytes of its weights."""
        return self.profile.weights if self.profile else 0

    @property
    def comes(self) -> Literal["whole", "blocks", "mapped"]:
        """How its weights come: a stage that is streamed comes whole where it cannot be parted, mapped on a CPU."""
        if not self.streams:
            return "whole"
        return "mapped" if self.on_cpu else "blocks" if self.streamed else "whole"

    @property
    def resting(self) -> int:
        """The bytes of its weights that are there while none of its blocks is called."""
        return self.streamed.weights if self.streamed else self.weights

    @property
    def brought_bytes(self) -> int:
        """The bytes of weights that blocks bring to the device in a run: all in every evaluation of every batch."""
        if self.streamed is None:
            return 0
        _, tiles = one_tile(self.node)
        calls = max(1, sum(self.passes.values())) * tiles * -(-self.samples // self.batch)
        return (self.weights - self.streamed.weights) * calls

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
        held = self.streamed or self.profile
        if held is None:
            return 0.0
        part, tiles = one_tile(self.node)
        peak = held.peak_bytes(self.batch, part.grid.size, on_cpu=self.on_cpu)
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
    """A run: its nodes in order, the events that the engine will carry out, and where weights lie meanwhile.

    `cap_bytes` is the most memory that the run may use; None where nobody says.
    """

    nodes: tuple[NodePlan, ...]
    events: tuple[Event, ...]
    lie: Residence
    cap_bytes: int | None = None

    @property
    def placement(self) -> Placement:
        """All weights at once, or one stage's at a time."""
        return self.lie.placement

    @property
    def peak_bytes(self) -> float:
        """The most that is held at once."""
        return max((found.peak_bytes for found in self.nodes), default=0.0)

    @property
    def parameters(self) -> int:
        """The parameters of all stages, each once."""
        return sum({found.node.stage.name: found.parameters for found in self.nodes}.values())

    @property
    def over(self) -> tuple[NodePlan, ...]:
        """The nodes that hold more than the cap."""
        return tuple(one for one in self.nodes if self.cap_bytes is not None and one.peak_bytes > self.cap_bytes)

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
    placement: Wanted = "resident",
    keep: Collection[str] = (),
    decode: Collection[str] = (),
    on_cpu: bool = True,
    cap_bytes: int | None = None,
    build: Building | None = None,
    root: Path | None = None,
) -> RunPlan:
    """What a run takes, before anything is loaded: weights lie where the engine would put them under the same cap.

    Resident weights of ours are in a CPU's memory from the beginning unless there is a cap, and on a device of their
    own once they are fetched; stages that are kept count from the beginning, as from the second run on. What is fetched
    ahead is not counted: it goes where there is room. Wrapped pipelines are looked for beside `root`.

    Raises:
        SpecError: if a network cannot be built.
    """
    found = [replace(_node_plan(node, spec, samples, batch, build, root), on_cpu=on_cpu) for node in graph]
    known = {one.node.stage.name: one.profile.weights if one.profile else None for one in found}
    lie = choose(weights_of(graph, known, root) if cap_bytes is not None else known, cap_bytes, placement)
    found = [streaming(one, spec, root) if one.node.stage.name in lie.streamed else one for one in found]
    kept = {*keep, graph[-1].name}
    listed = events(graph, keep=kept, decode=decode, placement=lie.placement, streamed=lie.streamed, kept=lie.kept)
    whole = on_cpu and cap_bytes is None and placement != "one-at-a-time"
    here = {one.node.stage.name for one in found if whole and not isinstance(one.node.stage, PipelineStage)}
    peaks = _peaks(found, listed, here | lie.kept, asked_bytes(spec, samples))
    return RunPlan(tuple(replace(one, peak_bytes=peaks[one.node.name]) for one in found), listed, lie, cap_bytes)


def _peaks(found: Sequence[NodePlan], listed: Sequence[Event], here: set[str], asked: int) -> dict[str, float]:
    """The most that is held while each node runs, with the weights of the stages in `here` from the beginning."""
    by_name, peaks, outputs = {one.node.name: one for one in found}, dict[str, float](), set[str]()
    every = {one.node.stage.name: one.resting for one in found}
    for event in listed:
        match event.kind:
            case "fetch" | "stream":
                here.add(event.name)
            case "evict":
                here.discard(event.name)
            case "release":
                outputs.discard(event.name)
            case "run":
                one = by_name[event.name]
                others = sum(every[name] for name in here - {one.node.stage.name})
                kept = sum(signal_bytes(by_name[name].node.grid, one.samples) for name in outputs)
                peaks[event.name] = asked + others + kept + _running(one)
                outputs.add(event.name)
    return peaks


def _running(one: NodePlan) -> float:
    """A node's last batch beside the answers of those before, or all answers while they are joined."""
    answers = signal_bytes(one.node.grid, one.samples)
    last = signal_bytes(one.node.grid, one.samples - one.batch) + one.own_bytes
    return max(last, one.resting + 2 * answers)


def streaming(one: NodePlan, spec: CascadeSpec, root: Path | None) -> NodePlan:
    """The node with its weights block by block; a CPU maps them whole, and reads what it needs."""
    part, _ = one_tile(one.node)
    try:
        held = None if one.on_cpu or one.profile is None else streamed_profile(part, spec.condition, root)
    except RunError as error:
        return replace(one, streams=True, profile=None, unknown=str(error))
    return replace(one, streams=True, streamed=held)


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
