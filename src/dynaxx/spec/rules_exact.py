"""Rules on exact stages: their closed form knows what it is given. Each yields (key below the stage, what, fix)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.data import DataSpec, FieldsData, ShapesData
from dynaxx.spec.grids import Grids
from dynaxx.spec.rules_edges import Fault
from dynaxx.spec.rules_grids import holds
from dynaxx.spec.stage import EmpiricalStage, GaussianStage, StageSpec

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec

EXACT = (GaussianStage, EmpiricalStage)


def gaussian_size(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """Gaussian data live on a grid at least as fine as the answer's, with the same axes."""
    out = grids.outs[stage.name][-1]
    if isinstance(stage, GaussianStage) and out and not holds(stage.size, out.size):
        what = f"{list(stage.size)} does not hold the output's {list(out.size)}."
        yield "size", what, "Give the full size of the data: as many axes, each at least the output's."


def gaussian_blur(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """A Gaussian stage's posterior knows of noise on an input, not of blur."""
    for key, edge in stage.inputs.items():
        if isinstance(stage, GaussianStage) and edge.blur is not None:
            what = "is put on the input of a 'gaussian' stage, whose closed form knows of noise only."
            yield f"inputs.{key}.blur", what, "Remove it, or use another kind of stage."


def copies(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """An input of an exact stage is a copy of its signal, or several that `concat` put side by side."""
    for key in stage.inputs if isinstance(stage, EXACT) else ():
        low = grids.lows[stage.name, key]
        if low and low.channels % stage.out.channels:
            what = f"has {low.channels} channels, no multiple of the {stage.out.channels} of an exact stage's answer."
            yield f"inputs.{key}", what, "Give both as many channels."


def stored_signals(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """What an empirical stage answers with are its data: as many axes, as many channels."""
    out = grids.outs[stage.name][-1]
    if not isinstance(stage, EmpiricalStage) or out is None or isinstance(stage.data, FieldsData):
        return
    axes, channels = _signal(stage.data, len(out.size))
    if axes != len(out.size):
        what = f"{stage.data.kind!r} are pictures with 2 axes, but the output has {', '.join(out.axes)}."
        yield "data.kind", what, "Use `kind: fields` or `shapes`, or change the size."
    elif channels != out.channels:
        yield "out.channels", f"is {out.channels}, but {stage.data.kind!r} has {channels}.", f"Set it to {channels}."


def _signal(data: DataSpec, axes: int) -> tuple[int, int]:
    """Axes and channels of the signals; shapes have as many axes as are asked for, and sound has one channel."""
    if isinstance(data, ShapesData):
        return axes, 1 if axes == 1 else 3
    return 2, 3


RULES = (gaussian_size, gaussian_blur, copies, stored_signals)
