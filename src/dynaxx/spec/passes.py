"""The passes of a stage: how often it is applied, and the levels that its inputs bear at each."""

from __future__ import annotations

from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.stage import BaseStage


def passes(stage: BaseStage) -> int:
    """How often a stage is applied."""
    return stage.repeat.times if stage.repeat else 1


def levels(stage: BaseStage, edge: EdgeSpec) -> tuple[float, ...]:
    """The noise level that one of the stage's own edges bears at each pass: `repeat.std` on `low`, else its `std`."""
    given = stage.repeat.std if stage.repeat and edge is stage.inputs.get("low") else None
    return given if given is not None and edge.noise else (edge.std,) * passes(stage)


def edge_at(stage: BaseStage, edge: EdgeSpec, number: int) -> EdgeSpec:
    """One of the stage's own edges with the level of pass `number`, counted from 0."""
    std = levels(stage, edge)[number]
    if edge.noise is None or std == edge.std:
        return edge
    return edge.model_copy(update={"noise": edge.noise.model_copy(update={"std": std})})
