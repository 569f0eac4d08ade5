"""The applications of a cascade's stages in the order they run, before anything is known of grids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.passes import edge_at, passes
from dynaxx.spec.stage import StageSpec
from dynaxx.spec.topology import order

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


@dataclass(frozen=True)
class Reading:
    """What one input of an application reads: nodes or `input.NAME`, and the edge with this pass's level."""

    parents: tuple[str, ...]
    edge: EdgeSpec

    @property
    def all(self) -> tuple[str, ...]:
        """The parents, and the mask where there is one."""
        return self.parents + ((self.edge.mask,) if self.edge.mask else ())


@dataclass(frozen=True)
class Application:
    """One application of a stage; `iteration` counts from 1."""

    name: str
    stage: StageSpec
    index: int
    iteration: int
    inputs: Mapping[str, Reading]


def node_names(stage: StageSpec) -> tuple[str, ...]:
    """The names of a stage's nodes, in order: `up`, or `up@1 .. up@n` where it is applied n times."""
    times = passes(stage)
    return (stage.name,) if times == 1 else tuple(f"{stage.name}@{i + 1}" for i in range(times))


def parents_of(readings: Iterable[Reading]) -> tuple[str, ...]:
    """All that some inputs read, each once: signals first, then masks."""
    found = list(readings)
    signals = [name for reading in found for name in reading.parents]
    return tuple(dict.fromkeys(signals + [name for reading in found for name in reading.all]))


def unroll(spec: CascadeSpec) -> tuple[Application, ...]:
    """Every application of every stage, each after those it reads."""
    last = {stage.name: node_names(stage)[-1] for stage in spec.stages}
    return tuple(
        Application(name, spec.stages[index], index, number + 1, _inputs(spec.stages[index], number, last))
        for index in order(spec.stages)
        for number, name in enumerate(node_names(spec.stages[index]))
    )


def _inputs(stage: StageSpec, number: int, last: Mapping[str, str]) -> dict[str, Reading]:
    """Pass 0 reads the parents of `low`, the others the pass before; other inputs stay as they are."""
    found = {}
    for key, edge in stage.inputs.items():
        now = edge_at(stage, edge, number)
        found[key] = Reading(tuple(last.get(name, name) for name in edge.parents), now)
        if key == "low" and number:
            alone = {"from_": stage.name, "merge": None, "weights": None, "mask": None, "cutoff": None}
            found[key] = Reading((node_names(stage)[number - 1],), now.model_copy(update=alone))
    return found
