"""What a cascade will take before it runs: parameters, FLOPs and memory of every node, and of the run as a whole."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from dynaxx.errors import RunError
from dynaxx.plan.codecs import CodecPlan, CodecPlans
from dynaxx.plan.events import Event, Placement, codecs_of, events
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.placement import Residence, Wanted, choose
from dynaxx.plan.profiles import Building, profile_of
from dynaxx.plan.room import Room
from dynaxx.plan.signals import asked_bytes
from dynaxx.plan.streamed import streamed_profile
from dynaxx.plan.tiles import one_tile
from dynaxx.plan.walk import evaluations, steps_of
from dynaxx.plan.weights import weights_of
from dynaxx.plan.wrapped import wrapped
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import PipelineStage

GIB = 2**30


@final
@dataclass(frozen=True)
class RunPlan:
    """A run: its nodes in order, the events that the engine will carry out, and where weights lie meanwhile.

    `cap_bytes` is the most memory that the run may use; None where nobody says. `codecs` are those that it opens; what
    they hold is part of the nodes' peaks.
    """

    nodes: tuple[NodePlan, ...]
    events: tuple[Event, ...]
    lie: Residence
    cap_bytes: int | None = None
    codecs: tuple[CodecPlan, ...] = ()

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
        """Why some nodes, or codecs, have no figures."""
        reasons = [*(found.unknown for found in self.nodes), *(found.unknown for found in self.codecs)]
        return tuple(dict.fromkeys(reason for reason in reasons if reason))


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
    ahead is not counted: it goes where there is room. Codecs are opened on the CPU before the first node, and come to
    another device with the stages between which they work. Wrapped pipelines and codecs are looked for beside `root`.

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
    codecs, names = CodecPlans(spec, root), codecs_of(graph, decode)
    room = Room(found, codecs, here | lie.kept, set(names) if on_cpu else set(), asked_bytes(spec, samples), on_cpu)
    peaks = room.peaks(listed)
    nodes = tuple(replace(one, peak_bytes=peaks[one.node.name]) for one in found)
    return RunPlan(nodes, listed, lie, cap_bytes, tuple(map(codecs.of, names)))


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
