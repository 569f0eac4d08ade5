"""What a choice costs: FLOPs of one sample by the plan, and its predicted time where the device is calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, final

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import RunError
from dynaxx.plan.profile import Profile
from dynaxx.plan.profiles import profile_of
from dynaxx.plan.time.choose import Clock
from dynaxx.plan.tracker import OpKey
from dynaxx.plan.walk import evaluations
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.stage import DenoisingStage

Unit = Literal["FLOPs", "evaluations"]


@final
@dataclass(frozen=True)
class Cost:
    """Of one sample: work by stage in one unit, and seconds where a clock is known."""

    by_stage: Mapping[str, float]
    unit: Unit
    latency_s: float | None

    @property
    def total(self) -> float:
        """The work of all stages."""
        return sum(self.by_stage.values())


@final
@dataclass
class Costs:
    """The costs of cascades that differ from this one in run-time settings; each way to walk is rehearsed once.

    The unit is FLOPs where the plan knows those of every stage, else network evaluations.
    """

    cascade: Cascade
    clock: Clock | None = None
    _profiles: dict[object, Profile | None] = field(default_factory=dict)

    def of(self, cascade: Cascade) -> Cost:
        """The cost of one."""
        work: dict[str, float] = {}
        for node in _graph(cascade):
            does = self._flops(node) if self.unit == "FLOPs" else float(sum(evaluations(node).values()) or 1)
            work[node.stage.name] = work.get(node.stage.name, 0.0) + does
        return Cost(work, self.unit, self._seconds(cascade))

    @cached_property
    def unit(self) -> Unit:
        """What work is counted in."""
        return "FLOPs" if all(self._flops(node) > 0 for node in _graph(self.cascade)) else "evaluations"

    def _flops(self, node: Node) -> float:
        profile = self._profile(node)
        return 0.0 if profile is None else profile.flops(_work(profile, node), 1, node.grid.size)

    def _seconds(self, cascade: Cascade) -> float | None:
        total = 0.0
        for node in _graph(cascade):
            profile = self._profile(node)
            if self.clock is None or profile is None:
                return None
            total += self.clock.seconds(profile, _work(profile, node), 1, node.grid.size).value
        return total

    def _profile(self, node: Node) -> Profile | None:
        """What the node takes; None where the plan cannot tell."""
        stage, way = node.stage, None
        if isinstance(stage, DenoisingStage):
            solver = stage.solver
            way = (solver.kind, solver.guided.scale not in (0, 1), solver.clip, solver.eta > 0)
        if (node.name, way) not in self._profiles:
            try:
                asks, live = self.cascade.spec.condition, self.cascade.stages
                found = profile_of(node, asks, build=lambda node: live[node.stage.name])
            except RunError:
                found = None
            self._profiles[node.name, way] = found
        return self._profiles[node.name, way]


def _graph(cascade: Cascade) -> tuple[Node, ...]:
    return nodes(cascade.spec, size=cascade.runtime.size)


def _work(profile: Profile, node: Node) -> Mapping[OpKey, int]:
    steps = node.stage.solver.steps if isinstance(node.stage, DenoisingStage) else 1
    return profile.work(steps, evaluations(node))
