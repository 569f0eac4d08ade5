"""Between spaces: where an edge works, and what a signal's grid is once it is decoded or encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dynaxx.spec.codec import CodecSpec
from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.grid import PIXELS, Grid, by_x
from dynaxx.spec.misfit import Misfit
from dynaxx.spec.stage import PipelineStage, StageSpec
from dynaxx.spec.topology import INPUT

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def space_of(spec: CascadeSpec, name: str) -> str:
    """The space in which a stage answers, or in which `input.NAME` lies."""
    if name.startswith(INPUT):
        return spec.inputs[name.removeprefix(INPUT)].space
    return next(stage.out.space for stage in spec.stages if stage.name == name)


def working_space(stage: StageSpec, edge: EdgeSpec, theirs: Sequence[str]) -> str:
    """The space in which an edge merges, blurs and resizes what comes from the spaces `theirs`.

    The stage's own, where all lie in it or `resize_in: latents` says so; else pixels, and what the edge has resized is
    encoded last of all. A pipeline has a codec of its own, and takes what it gets.
    """
    if isinstance(stage, PipelineStage):
        return theirs[0]
    own = stage.out.space
    if edge.resize_in is None:
        return own if set(theirs) == {own} else PIXELS
    return own if edge.resize_in == "latents" else PIXELS


def seen_in(codecs: Mapping[str, CodecSpec], grid: Grid, space: str) -> Grid | None:
    """The grid of the same signal in another space, decoded or encoded as it is; None where a codec is not declared.

    Raises:
        Misfit: where its size is no whole number of latent sites.
    """
    if grid.space == space:
        return grid
    if not {grid.space, space} <= {PIXELS, *codecs}:
        return None
    if grid.space != PIXELS:
        codec = codecs[grid.space]
        grid = Grid(codec.signal_channels, codec.decoded(grid.size))
    if space == PIXELS:
        return grid
    codec = codecs[space]
    size = codec.encoded(grid.size)
    if size is None:
        factors = by_x(codec.factors(grid.axes))
        what = f"{by_x(grid.size)} is no whole number of sites of codec {space!r}, whose factors are {factors}."
        raise Misfit("", what, "Change the size, or set `out.size` and let the edge resize in pixels.")
    return Grid(codec.channels, size, space)


def seen_channels(codecs: Mapping[str, CodecSpec], grid: Grid, space: str) -> int:
    """The channels of the same signal in another space, whatever its size."""
    if grid.space == space or not {grid.space, space} <= {PIXELS, *codecs}:
        return grid.channels
    return codecs[grid.space].signal_channels if space == PIXELS else codecs[space].channels


def before_entering(codecs: Mapping[str, CodecSpec], low: Grid, out: Grid) -> Grid | None:
    """The grid that an edge resizes its signal `low` to, for a stage that answers on `out`.

    The answer's own grid; where the edge works in pixels and the stage among latents, the grid that encoding leads to
    it from. Channels stay the signal's.
    """
    seen = seen_in(codecs, out, low.space)
    return replace(seen, channels=low.channels) if seen else None
