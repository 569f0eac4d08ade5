"""Rules on levels: a walk starts and ends where its process goes. Each yields (key below the stage, what, fix)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.grids import Grids
from dynaxx.spec.passes import levels
from dynaxx.spec.reach import reach
from dynaxx.spec.rules_edges import Fault
from dynaxx.spec.stage import DenoisingStage, StageSpec

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def starts_within(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """Denoising that begins at an input begins at a level of the stage's process."""
    if not isinstance(stage, DenoisingStage) or (ends := _ends(stage, grids)) is None:
        return
    low, high = ends
    for key, edge in stage.inputs.items():
        wrong = [std for std in _start_stds(stage, edge) if std and not low < std <= high * (1 + 1e-9)]
        if edge.via == "start" and wrong:
            what = f"{wrong[0]:g} cannot be started at: the {stage.process.kind} process goes from {high:g} to {low:g}."
            yield _said_at(stage, edge, key), what, "Set it between, or change the process."


def hands_within(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """A state is handed over at a level that the stage above comes through."""
    for key, edge in stage.inputs.items():
        above = next((other for other in spec.stages if other.name == edge.parents[0]), None)
        if edge.hand == "clean" or not edge.hand_std or not isinstance(above, DenoisingStage):
            continue
        if (ends := _ends(above, grids)) is None:
            continue
        begins = [std for own in above.inputs.values() if own.via == "start" for std in _start_stds(above, own)]
        low, high = ends[0], min([ends[1], *begins])
        if not low <= edge.hand_std < high:
            what = f"{edge.hand_std:g} is no level that {above.name!r} comes through: it goes from {high:g} to {low:g}."
            yield f"inputs.{key}.hand_std", what, "Set it between, or change the process above."


def _ends(stage: DenoisingStage, grids: Grids) -> tuple[float, float] | None:
    """What the process reaches on the stage's grid; None where that depends on a size that only a run gives."""
    grid = grids.outs[stage.name][0]
    if grid is None and getattr(stage.process, "reference", None):
        return None
    return reach(stage.process, grid.sites if grid else 1)


def _start_stds(stage: StageSpec, edge: EdgeSpec) -> tuple[float, ...]:
    return (edge.hand_std or 0.0,) if edge.hand == "noisy" else levels(stage, edge)


def _said_at(stage: StageSpec, edge: EdgeSpec, key: str) -> str:
    if edge.hand == "noisy":
        return f"inputs.{key}.hand_std"
    return "repeat.std" if key == "low" and stage.repeat and stage.repeat.std else f"inputs.{key}.noise.std"


RULES = (starts_within, hands_within)
