"""Rules on grids: what meets on an edge fits. Each yields (key below the stage, what, fix)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.grid import PIXELS, Grid, by_x
from dynaxx.spec.grids import Grids, axes_problem
from dynaxx.spec.passes import passes
from dynaxx.spec.rules_edges import Fault
from dynaxx.spec.spaces import before_entering, seen_channels, seen_in, space_of, working_space
from dynaxx.spec.stage import DenoisingStage, PipelineStage, StageSpec

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def parents(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """All parents have as many axes as the stage; those that are merged have equal channels where the edge works."""
    out = grids.outs[stage.name][0]
    for key, edge in stage.inputs.items():
        known = [(name, grid) for name in edge.parents if (grid := grids.of(name))]
        for name, grid in known:
            if out and len(out.size) != len(grid.size) and not _shows(stage, grid, out):
                what = f"has the axes {', '.join(grid.axes)} from {name!r}, but the output {', '.join(out.axes)}."
                yield f"inputs.{key}", what, "Give both as many sizes."
        space = working_space(stage, edge, [space_of(spec, name) for name in edge.parents])
        counted = {name: seen_channels(spec.codecs, grid, space) for name, grid in known}
        if edge.merge not in (None, "concat") and len(set(counted.values())) > 1:
            counts = ", ".join(f"{name!r} has {count}" for name, count in counted.items())
            fix = "Give the parents equal `out.channels`, or use `merge: concat`."
            yield f"inputs.{key}.merge", f"is {edge.merge!r} over different channels: {counts}.", fix


def _shows(stage: StageSpec, grid: Grid, out: Grid) -> bool:
    """Whether a picture goes into a pipeline for video, as what is seen first."""
    return isinstance(stage, PipelineStage) and (len(grid.size), len(out.size)) == (2, 3)


def masks(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """A mask has the axes of what it blends, one channel or as many, and lies in pixels or in the same space."""
    for key, edge in stage.inputs.items():
        mask, low = grids.given.get(edge.mask or ""), grids.lows[stage.name, key]
        if edge.merge == "mask" and mask and low:
            yield from ((f"inputs.{key}.mask", what, fix) for what, fix in _mask(edge.mask or "", mask, low))


def _mask(name: str, mask: Grid, low: Grid) -> Iterator[tuple[str, str]]:
    if mask.channels not in (1, low.channels):
        yield (
            f"has {mask.channels} channels, but what it blends has {low.channels}.",
            f"Declare `{name}` with 1 channel.",
        )
    if len(mask.size) != len(low.size):
        what = f"has the axes {', '.join(mask.axes)}, but what it blends {', '.join(low.axes)}."
        yield what, f"Declare `{name}` with {len(low.size)} sizes."
    if mask.space not in (PIXELS, low.space):
        yield f"lies in {mask.space!r}, but what it blends in {low.space!r}.", f"Declare `{name}` without `space`."


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
    if isinstance(stage, PipelineStage) and out.space != low.space:
        return
    high = seen_in(spec.codecs, out, low.space) if low.space in (out.space, PIXELS) else None
    if high and any(n < m for n, m in zip(high.size, low.size, strict=True)):
        what = f"gives {by_x(high.size)}, smaller than its low input's {by_x(low.size)}."
        yield "out", what, "A cascade goes up: raise the size or the scale."


def starts(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """Where denoising begins at an input, both share the grid (or, truncated, the channels)."""
    out = grids.outs[stage.name][0]
    for key, edge in stage.inputs.items():
        low = grids.lows[stage.name, key] if not isinstance(stage, PipelineStage) else None
        high = out and low and before_entering(spec.codecs, low, out)
        if edge.via == "start" and out and low and high and (high.size != low.size or _wrong_channels(low, out)):
            what = f"starts at {low}, but the stage answers on {out}."
            yield f"inputs.{key}.via", what, "Use a truncated process, which starts on any grid, or `via: concat`."
    first = grids.lows.get((stage.name, "low"))
    kind = stage.process.kind if isinstance(stage, DenoisingStage) else ""
    if kind == "truncated" and first and first.space == stage.out.space and first.channels != stage.out.channels:
        what = f"is 'truncated' from {first.channels} channels to {stage.out.channels}."
        yield "process.kind", what, "Give both as many channels, or another process."


def _wrong_channels(low: Grid, out: Grid) -> bool:
    return low.space == out.space and low.channels != out.channels


def repeated(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """What a repeated stage answers with, it can read."""
    low = grids.lows.get((stage.name, "low"))
    if passes(stage) > 1 and low and low.space == stage.out.space and low.channels != stage.out.channels:
        what = f"feeds {stage.out.channels} channels back to an input of {low.channels}."
        yield "repeat", what, "Give input and output as many channels."


def section_sizes(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """A reference size and a training crop have the output's axes, and a crop fits into it."""
    out = grids.outs[stage.name][0]
    if not out:
        return
    reference = getattr(getattr(stage, "process", None), "reference", None)
    if reference and len(reference) != len(out.size):
        yield "process.reference", f"has {len(reference)} axes, the output {len(out.size)}.", "Give as many sizes."
    crop = getattr(getattr(stage, "train", None), "crop", None)
    if crop and not holds(out.size, crop):
        yield "train.crop", f"{list(crop)} does not fit into {list(out.size)}.", "Choose a smaller crop."


def holds(outer: tuple[int, ...], inner: tuple[int, ...]) -> bool:
    """Whether a grid has as many axes as another, each at least as long."""
    return len(outer) == len(inner) and all(n >= m for n, m in zip(outer, inner, strict=True))


RULES = (parents, masks, letters, no_shrinking, starts, repeated, section_sizes)
