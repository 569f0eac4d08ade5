"""Grids and edges as what they come to, whatever way they are written: what identities are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.grid import PIXELS, Grid
from dynaxx.spec.grids import Grids, kernels
from dynaxx.spec.plain import plain
from dynaxx.spec.spaces import space_of, working_space
from dynaxx.spec.stage import StageSpec


def grid_as_resolved(spec: CascadeSpec, grid: Grid) -> dict[str, Any]:
    """A grid with the codec itself in place of its name."""
    return {"channels": grid.channels, "size": list(grid.size), "space": _space(spec, grid.space)}


def out_as_resolved(spec: CascadeSpec, stage: StageSpec, grid: Grid | None) -> dict[str, Any]:
    """The grid that a stage answers on; where only a run settles it, what the file says of it."""
    if grid is not None:
        return grid_as_resolved(spec, grid)
    out = stage.out
    scale = _by_axis(out.scale) if isinstance(out.scale, Mapping) else out.scale
    return {"channels": out.channels, "size": plain(out.size), "scale": scale, "space": _space(spec, out.space)}


def edge_as_resolved(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec, grids: Grids) -> dict[str, Any]:
    """An edge by what it reads, not by name, with a kernel per axis, and without the levels of a run."""
    out, said = grids.outs[stage.name][0], plain(edge)
    for key in ("noise", "blur"):
        if key in said:
            said[key] = {name: value for name, value in said[key].items() if name != "std"}
    loose = _by_axis(edge.resize) if isinstance(edge.resize, Mapping) else edge.resize
    said["resize"] = list(kernels(edge, out.size)) if out else loose
    said["from"] = [_read(spec, name, grids) for name in edge.parents]
    said["mask"] = _read(spec, edge.mask, grids) if edge.mask else None
    said.pop("resize_in", None)
    theirs = [space_of(spec, name) for name in edge.parents]
    space = working_space(stage, edge, theirs)
    if {*theirs, space} != {stage.out.space}:
        said["works_in"] = _space(spec, space)
    return said


def _read(spec: CascadeSpec, name: str, grids: Grids) -> dict[str, Any]:
    if grid := grids.of(name):
        return grid_as_resolved(spec, grid)
    return next(out_as_resolved(spec, stage, None) for stage in spec.stages if stage.name == name)


def _space(spec: CascadeSpec, name: str) -> Any:
    """Pixels, or the codec: known by its identity where the file says it, else by where it lies."""
    if name == PIXELS:
        return PIXELS
    codec = plain(spec.codecs[name])
    return {key: value for key, value in codec.items() if key != "load"} if codec.get("id") else codec


def _by_axis(groups: Mapping[str, Any]) -> dict[str, Any]:
    return {axis: value for group, value in groups.items() for axis in group}
