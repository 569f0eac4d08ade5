"""What a choice costs: work of one sample by the plan, and the time that the plan tells for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, final

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import RunError, UsageError
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.profile import Profile
from dynaxx.plan.profiles import profile_of
from dynaxx.plan.rehearse import sometimes_guided
from dynaxx.plan.tiles import one_tile
from dynaxx.plan.told import Teller
from dynaxx.plan.walk import evaluations, network_calls, steps_of
from dynaxx.plan.wrapped import evaluations_of, wrapped
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.stage import DenoisingStage, PipelineStage, StageSpec

Unit = Literal["FLOPs", "evaluations"]


@final
@dataclass(frozen=True)
class Cost:
    """Of one sample: work by stage in one unit, and seconds where something tells them; `unknown` has no FLOPs."""

    by_stage: Mapping[str, float]
    unit: Unit
    latency_s: float | None
    unknown: Mapping[str, str] = field(default_factory=dict)

    @property
    def total(self) -> float:
        """The work of all stages."""
        return sum(self.by_stage.values())


@final
@dataclass
class Costs:
    """The costs of cascades that differ from this one in run-time settings; each way to walk is rehearsed once.

    The unit is FLOPs where the plan knows those of every stage. Else it is network evaluations, a guided one counted
    as two, a pipeline's by the steps of its call, and a stage that nobody can look into as one.
    """

    cascade: Cascade
    teller: Teller | None = None
    _profiles: dict[object, Profile | str] = field(default_factory=dict)

    def of(self, cascade: Cascade) -> Cost:
        """The cost of one."""
        work: dict[str, float] = {}
        for node in _graph(cascade):
            does = self._flops(node) if self.unit == "FLOPs" else float(self._evaluations(node))
            work[node.stage.name] = work.get(node.stage.name, 0.0) + does
        return Cost(work, self.unit, self._seconds(cascade), self.unknown)

    @cached_property
    def unknown(self) -> Mapping[str, str]:
        """The stages whose FLOPs the plan cannot tell, and why."""
        none = {n.stage.name: "its operations have no FLOPs" for n in _graph(self.cascade) if not self._counted(n)}
        return {**none, **self._unrehearsed}

    @cached_property
    def _unrehearsed(self) -> Mapping[str, str]:
        found = {node.stage.name: self._profile(node) for node in _graph(self.cascade)}
        return {name: why for name, why in found.items() if isinstance(why, str)}

    def _counted(self, node: Node) -> bool:
        return not isinstance(self._profile(node), str) and self._flops(node) > 0

    @cached_property
    def _untimed(self) -> Mapping[str, str]:
        """The stages whose time the plan cannot tell, and why."""
        known = [(node.stage.name, self._profile(node)) for node in _graph(self.cascade)]
        halves = {name: "the clock does not know its number format" for name, one in known if self._untold(one)}
        return {**self._unrehearsed, **halves}

    def _untold(self, profile: Profile | str) -> bool:
        return not isinstance(profile, str) and self.teller is not None and not self.teller.knows(profile)

    @property
    def unit(self) -> Unit:
        """What work is counted in."""
        return "evaluations" if self.unknown else "FLOPs"

    def check_timed(self) -> None:
        """See that the time of every stage can be told.

        Raises:
            UsageError: where it cannot.
        """
        if self.teller is None:
            problem = "cannot be held against this device, which is not calibrated."
            raise UsageError("latency", problem, "Time it once: dynaxx plan --calibrate.")
        if self._untimed:
            name, why = next(iter(self._untimed.items()))
            problem = f"cannot be promised: nothing tells how long stage {name!r} takes ({why.rstrip('.')})."
            raise UsageError("latency", problem, "Give a share of the present work (--share).")

    def _evaluations(self, node: Node) -> int:
        part, tiles = one_tile(node)
        if isinstance(node.stage, PipelineStage):
            return tiles * (evaluations_of(part, self.cascade.root) or 1)
        return tiles * network_calls(node)

    def _flops(self, node: Node) -> float:
        return self._planned(node).flops

    def _seconds(self, cascade: Cascade) -> float | None:
        if self.teller is None or self._untimed:
            return None
        told = [(node, self._known(node), self._planned(node).work) for node in _graph(cascade)]
        return sum(self.teller.seconds(node, known, work).value for node, known, work in told)

    def _known(self, node: Node) -> Profile:
        """What the node takes.

        Raises:
            RunError: where its walk cannot be rehearsed, though that of the cascade as it is was.
        """
        if isinstance(found := self._profile(node), str):
            raise RunError(f"stage {node.stage.name!r}", found)
        return found

    def _profile(self, node: Node) -> Profile | str:
        """What the node takes, or why the plan cannot tell."""
        stage: StageSpec = node.stage
        way: object = None
        if isinstance(stage, PipelineStage):
            way = stage.model_dump_json()  # its call is rehearsed as a whole
        if isinstance(stage, DenoisingStage):
            solver = stage.solver
            guided = solver.guided.scale not in (0, 1), sometimes_guided(stage)
            way = (solver.kind, guided, solver.clip, solver.eta > 0)
        if (node.name, way) not in self._profiles:
            try:
                found: Profile | str = self._rehearsed(node)
            except RunError as error:
                found = str(error)
            self._profiles[node.name, way] = found
        return self._profiles[node.name, way]

    def _rehearsed(self, node: Node) -> Profile:
        live, (part, _) = self.cascade.stages, one_tile(node)
        if isinstance(node.stage, PipelineStage):
            return wrapped(part, self.cascade.root).profile
        return profile_of(part, self.cascade.spec.condition, build=lambda node: live[node.stage.name])

    def _planned(self, node: Node) -> NodePlan:
        """The plan of one sample through the node: of each tile where there are some."""
        profile, steps, passes = self._known(node), steps_of(node), evaluations(node)
        if isinstance(node.stage, PipelineStage):
            steps, passes = 1, dict(wrapped(one_tile(node)[0], self.cascade.root).passes)
        return NodePlan(node, 1, 1, profile, profile.work(steps, passes), passes)


def _graph(cascade: Cascade) -> tuple[Node, ...]:
    return nodes(cascade.spec, size=cascade.runtime.size)
