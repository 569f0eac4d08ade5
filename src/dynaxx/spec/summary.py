"""A cascade at a glance: what `dynaxx check` shows as a table or as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import fitting
from dynaxx.spec.grid import Grid
from dynaxx.spec.grids import Grids
from dynaxx.spec.identity import run_id, stage_weights_id
from dynaxx.spec.stage import DenoisingStage, PipelineStage, StageSpec
from dynaxx.spec.unroll import Application, parents_of, unroll

OPEN = "?"
"""What stands for a grid that follows from a size which only a run gives."""


@dataclass(frozen=True)
class NodeSummary:
    """One node: grids as `3x64x64`, `levels` the noise std that each input bears, `steps` what the file states."""

    name: str
    stage: str
    role: str
    kind: str
    parents: tuple[str, ...]
    grids_in: dict[str, str]
    grid_out: str
    process: str | None
    steps: int | None
    levels: dict[str, float]
    weights_id: str


@dataclass(frozen=True)
class CascadeSummary:
    """A cascade's nodes in the order they run, with its identity."""

    name: str
    description: str
    run_id: str
    condition: tuple[str, ...]
    inputs: dict[str, str]
    nodes: tuple[NodeSummary, ...]

    def to_json(self) -> dict[str, Any]:
        """The summary as plain data."""
        return asdict(self)


def describe(spec: CascadeSpec, *, size: tuple[int, ...] | None = None) -> CascadeSummary:
    """A cascade at a glance; grids that only a run settles are `?` unless `size` (of the base) is given.

    Raises:
        SpecError: if `size` does not fit the sizes downstream.
    """
    grids = fitting(spec, size)
    asked = tuple(key for key in ("text", "label", "field") if getattr(spec.condition, key))
    given = {name: str(grid) for name, grid in grids.given.items()}
    rows = tuple(_row(spec, found, grids) for found in unroll(spec))
    return CascadeSummary(spec.name, spec.description, run_id(spec), asked, given, rows)


def _row(spec: CascadeSpec, found: Application, grids: Grids) -> NodeSummary:
    stage = found.stage
    process = stage.process.kind if isinstance(stage, DenoisingStage) else None
    return NodeSummary(
        name=found.name,
        stage=stage.name,
        role=stage.role,
        kind=stage.kind,
        parents=parents_of(found.inputs.values()),
        grids_in={key: _text(grids.low(stage, key, found.iteration)) for key in found.inputs},
        grid_out=_text(grids.outs[stage.name][found.iteration - 1]),
        process=process,
        steps=stated_steps(stage),
        levels={key: std for key, reading in found.inputs.items() if (std := reading.edge.level) is not None},
        weights_id=stage_weights_id(spec, stage.name),
    )


def stated_steps(stage: StageSpec) -> int | None:
    """The steps of a stage's walk, as the file states them; None where it does not, or there is no walk."""
    if isinstance(stage, DenoisingStage):
        return stage.solver.steps
    asked = stage.call.get("num_inference_steps") if isinstance(stage, PipelineStage) else None
    return asked if isinstance(asked, int) else None


def _text(grid: Grid | None) -> str:
    return str(grid) if grid else OPEN
