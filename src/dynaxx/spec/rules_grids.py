"""Rules on grids: what meets on an edge fits. Each yields (key below the stage, what, fix)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.grid import Grid
from dynaxx.spec.grids import Grids, axes_problem, passes
from dynaxx.spec.rules_edges import Fault
from dynaxx.spec.stage import DenoisingStage, GaussianStage, StageSpec

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def parents(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """All parents lie in the stage's space and have as many axes; those that are merged have equal channels."""
    out = grids.outs[stage.name][0]
    for key, edge in stage.inputs.items():
        known = [(name, grid) for name in edge.parents if (grid := grids.of(name))]
        for name, grid in known:
            if grid.space != stage.out.space:
                yield f"inputs.{key}", _spaces(name, grid.space, stage.out.space), f"Set out.space to {grid.space!r}."
            if out and len(out.size) != len(grid.size):
                what = f"has the axes {', '.join(grid.axes)} from {name!r}, but the output {', '.join(out.axes)}."
                yield f"inputs.{key}", what, "Give both as many sizes."
        if edge.merge not in (None, "concat") and len({grid.channels for _, grid in known}) > 1:
            counts = ", ".join(f"{name!r} has {grid.channels}" for name, grid in known)
            fix = "Give the parents equal `out.channels`, or use `merge: concat`."
            yield f"inputs.{key}.merge", f"is {edge.merge!r} over different channels: {counts}.", fix


def _spaces(name: str, theirs: str, ours: str) -> str:
    def said(space: str) -> str:
        return "in pixels" if space == "pixels" else f"in the latent space of codec {space!r}"

    return f"expects a signal {said(ours)}, but {name!r} gives one {said(theirs)}."


def masks(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """A mask has one channel, or one for each of the parents'."""
    for key, edge in stage.inputs.items():
        mask, low = grids.given.get(edge.mask or ""), grids.lows[stage.name, key]
        if edge.merge == "mask" and mask and low and mask.channels not in (1, low.channels):
            what = f"has {mask.channels} channels, but what it blends has {low.channels}."
            yield f"inputs.{key}.mask", what, f"Declare `{edge.mask}` with 1 channel."


def letters(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """Kernels are given for axes that the grid has."""
    out = grids.outs[stage.name][0]
    for key, edge in stage.inputs.items():
        if out and isinstance(edge.resize, dict) and (problem := axes_problem("".join(edge.resize), out.axes)):
            yield f"inputs.{key}.resize", *problem


def no_shrinking(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """A bridge or refine stage never answers on a coarser grid than its low input's."""
    out, low = grids.outs[stage.name][0], grids.lows.get((stage.name, "low"))
    if stage.role == "base" or not out or not low or len(out.size) != len(low.size):
        return
    if any(n < m for n, m in zip(out.size, low.size, strict=True)):
        what = f"gives {_x(out)}, smaller than its low input's {_x(low)}."
        yield "out", what, "A cascade goes up: raise the size or the scale."


def starts(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """Where denoising begins at an input, both share the grid (or, truncated, the channels)."""
    out = grids.outs[stage.name][0]
    for key, edge in stage.inputs.items():
        low = grids.lows[stage.name, key]
        if edge.via == "start" and out and low and out.shape != low.shape:
            what = f"starts at {low}, but the stage answers on {out}."
            yield f"inputs.{key}.via", what, "Use a truncated process, which starts on any grid, or `via: concat`."
    first = grids.lows.get((stage.name, "low"))
    kind = stage.process.kind if isinstance(stage, DenoisingStage) else ""
    if kind == "truncated" and first and first.channels != stage.out.channels:
        what = f"is 'truncated' from {first.channels} channels to {stage.out.channels}."
        yield "process.kind", what, "Give both as many channels, or another process."


def repeated(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """What a repeated stage answers with, it can read."""
    low = grids.lows.get((stage.name, "low"))
    if passes(stage) > 1 and low and low.channels != stage.out.channels:
        what = f"feeds {stage.out.channels} channels back to an input of {low.channels}."
        yield "repeat", what, "Give input and output as many channels."


def exact_sizes(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """Gaussian data live on a grid at least as fine as the answer's, with the same axes."""
    out = grids.outs[stage.name][-1]
    if isinstance(stage, GaussianStage) and out and not _holds(stage.size, out.size):
        what = f"{list(stage.size)} does not hold the output's {list(out.size)}."
        yield "size", what, "Give the full size of the data: as many axes, each at least the output's."


def section_sizes(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """A reference size and a training crop have the output's axes, and a crop fits into it."""
    out = grids.outs[stage.name][0]
    if not out:
        return
    reference = getattr(getattr(stage, "process", None), "reference", None)
    if reference and len(reference) != len(out.size):
        yield "process.reference", f"has {len(reference)} axes, the output {len(out.size)}.", "Give as many sizes."
    crop = getattr(getattr(stage, "train", None), "crop", None)
    if crop and not _holds(out.size, crop):
        yield "train.crop", f"{list(crop)} does not fit into {list(out.size)}.", "Choose a smaller crop."


def _holds(outer: tuple[int, ...], inner: tuple[int, ...]) -> bool:
    return len(outer) == len(inner) and all(n >= m for n, m in zip(outer, inner, strict=True))


def _x(grid: Grid) -> str:
    return "x".join(map(str, grid.size))


RULES = (parents, masks, letters, no_shrinking, starts, repeated, exact_sizes, section_sizes)
