"""What training the stages of a cascade will take: memory and FLOPs of a step, and how many steps there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from dynaxx.errors import RunError
from dynaxx.plan.profile import Profile
from dynaxx.plan.profiles import profile_of
from dynaxx.plan.signals import signal_bytes
from dynaxx.plan.time.choose import Clock
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.tracker import OpKey
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import DiffusionStage, RegressionStage
from dynaxx.spec.training import TrainingSpec


@final
@dataclass(frozen=True)
class TrainPlan:
    """The training of one stage: steps of `parts` times `batch` samples, `steps` times; `flops` are those of one."""

    node: Node
    steps: int
    batch: int
    parts: int
    profile: Profile | None = None
    unknown: str = ""
    on_cpu: bool = True

    @property
    def work(self) -> Mapping[OpKey, int]:
        """The operations of one step, all its parts: the first, and those after it, which add to its gradients."""
        found: Counter[OpKey] = Counter()
        for part, times in zip(self.profile.parts if self.profile else (), (1, self.parts - 1), strict=False):
            found.update({key: n * times for key, n in part.items()})
        return found

    @property
    def flops(self) -> float:
        """FLOPs of one step, all its parts."""
        return self.profile.flops(self.work, self.batch, self.node.grid.size) if self.profile else 0.0

    def seconds(self, clock: Clock) -> Interval | None:
        """How long all its steps take; None where nothing is known of them."""
        if self.profile is None:
            return None
        return clock.seconds(self.profile, self.work, self.batch, self.node.grid.size).times(self.steps)

    @property
    def peak_bytes(self) -> float:
        """Weights, gradients, moments, average and workings, and beside them the batches of the next step."""
        if self.profile is None:
            return 0.0
        waiting = (2 * self.parts - 1) * self._batch_bytes
        return self.profile.peak_bytes(self.batch, self.node.grid.size, on_cpu=self.on_cpu) + waiting

    @property
    def _batch_bytes(self) -> int:
        """A signal, its noise, and the inputs as they are and as they were before they were resized."""
        inputs = [signal_bytes(given.grid, self.batch) for given in self.node.inputs.values()]
        mine = signal_bytes(self.node.grid, self.batch)
        widened = [mine // self.node.grid.channels * self.node.channels_of(name) for name in self.node.inputs]
        return 2 * mine + sum(inputs) + sum(widened)


def plan_training(spec: CascadeSpec, graph: Sequence[Node], *, on_cpu: bool = True) -> tuple[TrainPlan, ...]:
    """What training takes, stage by stage; repeated stages are trained once."""
    found: dict[str, TrainPlan] = {}
    for node in graph:
        stage = node.stage
        if stage.name not in found and isinstance(stage, DiffusionStage | RegressionStage):
            found[stage.name] = replace(_train_plan(spec, node, stage.train or TrainingSpec()), on_cpu=on_cpu)
    return tuple(found.values())


def _train_plan(spec: CascadeSpec, node: Node, train: TrainingSpec) -> TrainPlan:
    if train.crop:
        node = replace(node, grid=replace(node.grid, size=train.crop))
    try:
        profile = profile_of(node, spec.condition, mode="train")
    except RunError as error:
        return TrainPlan(node, train.steps, train.batch_size, train.accumulate, unknown=str(error))
    return TrainPlan(node, train.steps, train.batch_size, train.accumulate, profile)
