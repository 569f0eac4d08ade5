"""A cascade at a glance: what `dynaxx check` shows as a table or as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import node_names
from dynaxx.spec.grid import Grid
from dynaxx.spec.grids import Grids, resolve
from dynaxx.spec.identity import run_id, stage_weights_id
from dynaxx.spec.problem import error_of
from dynaxx.spec.stage import DenoisingStage, StageSpec
from dynaxx.spec.topology import order
from dynaxx.spec.wiring import fits

OPEN = "?"
"""What stands for a grid that follows from a size which only a run gives."""


@dataclass(frozen=True)
class NodeSummary:
    """One node: grids as `3x64x64`, `levels` the noise std that each input bears."""

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
    grids = resolve(spec, size)
    if problems := [*grids.problems, *fits(spec, grids)]:
        raise error_of(problems)
    found = tuple(row for index in order(spec.stages) for row in _rows(spec, spec.stages[index], grids))
    asked = tuple(key for key in ("text", "label", "field") if getattr(spec.condition, key))
    given = {name: str(grid) for name, grid in grids.given.items()}
    return CascadeSummary(spec.name, spec.description, run_id(spec), asked, given, found)


def _rows(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> list[NodeSummary]:
    names, last = node_names(stage), {other.name: node_names(other)[-1] for other in spec.stages}
    denoises = stage if isinstance(stage, DenoisingStage) else None
    weights_id, rows = stage_weights_id(spec, stage.name), list[NodeSummary]()
    for number, name in enumerate(names):
        parents = {key: [last.get(parent, parent) for parent in edge.parents] for key, edge in stage.inputs.items()}
        grids_in = {key: _text(grids.lows[stage.name, key]) for key in stage.inputs}
        levels = {key: edge.std for key, edge in stage.inputs.items() if edge.noise}
        if number:
            parents["low"], grids_in["low"] = [names[number - 1]], rows[-1].grid_out
        if stage.repeat and stage.repeat.std:
            levels["low"] = stage.repeat.std[number]
        rows.append(
            NodeSummary(
                name=name,
                stage=stage.name,
                role=stage.role,
                kind=stage.kind,
                weights_id=weights_id,
                parents=tuple(dict.fromkeys(parent for group in parents.values() for parent in group)),
                grids_in=grids_in,
                grid_out=_text(grids.outs[stage.name][number]),
                levels=levels,
                process=denoises.process.kind if denoises else None,
                steps=denoises.solver.steps if denoises else None,
            )  # fmt: skip
        )
    return rows


def _text(grid: Grid | None) -> str:
    return str(grid) if grid else OPEN
