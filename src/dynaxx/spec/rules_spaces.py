"""Rules on spaces: what an edge decodes and encodes can be. Each yields (key below the stage, what, fix)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.grid import PIXELS
from dynaxx.spec.grids import Grids, axes_problem
from dynaxx.spec.rules_edges import Fault
from dynaxx.spec.rules_exact import EXACT
from dynaxx.spec.spaces import seen_channels, space_of, working_space
from dynaxx.spec.stage import PipelineStage, StageSpec

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def resize_in(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """`resize_in` is for edges on which something is a latent; `latents` are those of the stage."""
    for key, edge in stage.inputs.items():
        if edge.resize_in is None:
            continue
        if isinstance(stage, PipelineStage):
            yield f"inputs.{key}.resize_in", "is given to a pipeline, which resizes by itself.", "Remove it."
        elif edge.resize_in == "latents" and stage.out.space == PIXELS:
            fix = "Remove it, or set `out.space` to a codec."
            yield f"inputs.{key}.resize_in", "is 'latents', but the stage works in pixels.", fix
        elif {*_theirs(spec, edge), stage.out.space} == {PIXELS}:
            yield f"inputs.{key}.resize_in", "is given, but nothing on this edge is a latent.", "Remove it."


def encoded_channels(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """What is encoded has the channels that the codec encodes."""
    for key, edge in stage.inputs.items():
        theirs = _theirs(spec, edge)
        space = working_space(stage, edge, theirs)
        codec = spec.codecs.get(stage.out.space)
        if codec is None or isinstance(stage, PipelineStage) or {*theirs, space} == {stage.out.space}:
            continue
        low, due = grids.lows[stage.name, key], codec.signal_channels
        known = [(name, grid) for name in edge.parents if (grid := grids.of(name)) and grid.space != stage.out.space]
        counts = [(repr(name), seen_channels(spec.codecs, grid, PIXELS)) for name, grid in known]
        if space == PIXELS and edge.merge == "concat" and low:
            counts = [("the merge", low.channels)]
        for name, count in counts:
            if count != due:
                fix = "Give as many channels (`out.channels`, or another merge), or set the codec's `signal_channels`."
                yield (
                    f"inputs.{key}",
                    f"{name} gives {count} channels, but codec {stage.out.space!r} encodes {due}.",
                    fix,
                )


def codec_axes(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """A codec's factors are given for axes that its latents have."""
    out, codec = grids.outs[stage.name][0], spec.codecs.get(stage.out.space)
    if out and codec and isinstance(codec.factor, dict) and (problem := axes_problem("".join(codec.factor), out.axes)):
        what, fix = problem
        yield "out.space", f"is {stage.out.space!r}, whose `factor` {what}", fix


def unfinished(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """An unfinished state stays in its space: it is no signal that could be decoded."""
    for key, edge in stage.inputs.items():
        if edge.hand == "noisy" and not isinstance(stage, PipelineStage):
            theirs = _theirs(spec, edge)
            if {*theirs, working_space(stage, edge, theirs)} != {stage.out.space}:
                what = "is 'noisy', but an unfinished state can be neither decoded nor encoded."
                yield (
                    f"inputs.{key}.hand",
                    what,
                    "Give both stages one `out.space` and no `resize_in`, or hand over clean.",
                )


def exact(spec: CascadeSpec, stage: StageSpec, grids: Grids) -> Iterator[Fault]:
    """An exact stage knows resampling, not a codec, between its input's signal and its own grid."""
    for key, edge in stage.inputs.items() if isinstance(stage, EXACT) else ():
        if working_space(stage, edge, _theirs(spec, edge)) != stage.out.space:
            what = f"is encoded after it was resized, and the closed form of {stage.kind!r} knows no codec."
            yield f"inputs.{key}", what, "Set `resize_in: latents`, or use another kind of stage."


def _theirs(spec: CascadeSpec, edge: EdgeSpec) -> list[str]:
    return [space_of(spec, name) for name in edge.parents]


RULES = (resize_in, encoded_channels, codec_axes, unfinished, exact)
