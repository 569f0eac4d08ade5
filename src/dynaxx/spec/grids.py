"""Which grid every stage works on: sizes fixed in the file, given per run, or scaled from an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dynaxx.spec.codec import CodecSpec
from dynaxx.spec.edge import DEFAULT_KERNEL, EdgeSpec
from dynaxx.spec.grid import Grid, by_x
from dynaxx.spec.misfit import Misfit
from dynaxx.spec.passes import passes
from dynaxx.spec.problem import Problem, place
from dynaxx.spec.spaces import seen_in, space_of, working_space
from dynaxx.spec.stage import PipelineStage, StageSpec
from dynaxx.spec.topology import INPUT, order

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


@dataclass(frozen=True)
class Grids:
    """What is known of the grids: `outs[stage]` holds one per pass, `lows[stage, input]` the first pass's.

    A low grid is that of the merged parents in the space where the edge works. A grid is None where it follows from a
    size that only a run gives.
    """

    outs: dict[str, list[Grid | None]] = field(default_factory=dict)
    lows: dict[tuple[str, str], Grid | None] = field(default_factory=dict)
    given: dict[str, Grid] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    codecs: Mapping[str, CodecSpec] = field(default_factory=dict)

    def low(self, stage: StageSpec, key: str, iteration: int) -> Grid | None:
        """The grid of an input at a pass (from 1): after the first, `low` is the pass before."""
        if key != "low" or iteration == 1:
            return self.lows[stage.name, key]
        before = self.outs[stage.name][iteration - 2]
        return before and seen_in(self.codecs, before, working_space(stage, stage.inputs[key], [before.space]))

    def of(self, name: str) -> Grid | None:
        """The grid of a stage's answer (its last pass), or of `input.NAME`."""
        return self.given.get(name) or self.outs.get(name, [None])[-1]


def kernels(edge: EdgeSpec, size: tuple[int, ...]) -> tuple[str, ...]:
    """The kernel for each axis of a grid of this size; axes that a map leaves out get the default."""
    axes = Grid(1, size).axes
    if isinstance(edge.resize, str):
        return (edge.resize,) * len(axes)
    by_axis = {axis: kernel for group, kernel in edge.resize.items() for axis in group}
    return tuple(by_axis.get(axis, DEFAULT_KERNEL) for axis in axes)


def resolve(spec: CascadeSpec, size: tuple[int, ...] | None = None) -> Grids:
    """All grids of a cascade whose edges name stages that exist; `size` is that of stages without inputs."""
    given = {f"{INPUT}{name}": Grid(i.channels, i.size, i.space) for name, i in spec.inputs.items()}
    grids = Grids(given=given, codecs=spec.codecs)
    grids.problems.extend(_roots(spec, size) if size else ())
    for index in order(spec.stages):
        stage = spec.stages[index]
        for name, edge in stage.inputs.items():
            try:
                grids.lows[stage.name, name] = merged(spec, stage, edge, grids)
            except Misfit as misfit:
                grids.lows[stage.name, name] = None
                grids.problems.append(_problem(misfit, index, stage, name))
        basis = main_input(stage)
        low = grids.lows[stage.name, basis] if basis else None
        try:
            grids.outs[stage.name] = _passes(stage, basis, low, size, grids.codecs)
        except Misfit as misfit:
            grids.problems.append(_problem(misfit, index, stage, basis))
            grids.outs[stage.name] = [None] * passes(stage)
    return grids


def _problem(misfit: Misfit, index: int, stage: StageSpec, name: str | None) -> Problem:
    key, what, fix = misfit.args
    return Problem(place(index, stage.name, key or f"inputs.{name}"), what, fix)


def main_input(stage: StageSpec) -> str | None:
    """The input that a stage's scale refers to: `low`, else the first."""
    return "low" if "low" in stage.inputs else next(iter(stage.inputs), None)


def merged(spec: CascadeSpec, stage: StageSpec, edge: EdgeSpec, grids: Grids) -> Grid | None:
    """The grid that the parents are merged on: the first parent's, in the space where the edge works.

    `concat` adds up the channels.

    Raises:
        Misfit: where a parent cannot be encoded as it is.
    """
    space = working_space(stage, edge, [space_of(spec, name) for name in edge.parents])
    known = [grids.of(name) for name in edge.parents]
    parents = [grid and seen_in(spec.codecs, grid, space) for grid in known]
    first = parents[0]
    if edge.merge != "concat" or first is None:
        return first
    counts = [grid.channels for grid in parents if grid is not None]
    return replace(first, channels=sum(counts)) if len(counts) == len(parents) else None


def _roots(spec: CascadeSpec, size: tuple[int, ...]) -> list[Problem]:
    """One size for a run cannot stand for bases of several sizes."""
    fixed = {stage.name: by_x(stage.out.size) for stage in spec.stages if not stage.inputs and stage.out.size}
    if len(set(fixed.values())) < 2:
        return []
    said = ", ".join(f"{name!r} {text}" for name, text in fixed.items())
    what = f"{by_x(size)} cannot stand for stages of different sizes: {said}."
    return [Problem("size", what, "Set each stage's own, such as `NAME.out.size`.")]


def _passes(
    stage: StageSpec,
    basis: str | None,
    low: Grid | None,
    size: tuple[int, ...] | None,
    codecs: Mapping[str, CodecSpec],
) -> list[Grid | None]:
    out, found = stage.out, list[Grid | None]()
    if basis is None:
        if out.scale is not None:
            raise Misfit("out.scale", f"is {out.scale}, but there is no input to scale.", "Set `out.size` instead.")
        fixed = size or out.size
        return [Grid(out.channels, fixed, out.space) if fixed else None] * passes(stage)
    for number in range(passes(stage)):
        low = _out(stage, basis, low, number, codecs)
        found.append(low)
    return found


def _out(stage: StageSpec, basis: str, low: Grid | None, number: int, codecs: Mapping[str, CodecSpec]) -> Grid | None:
    """The grid of a pass; a scale refers to the low input as the stage would see it without any resizing."""
    out = stage.out
    if low is not None and (out.size is None or out.scale is not None):
        low = low if isinstance(stage, PipelineStage) else seen_in(codecs, low, out.space)
    if low is None:
        return Grid(out.channels, out.size, out.space) if out.size else None
    wanted = _scaled(out.scale, low) if out.scale is not None else low.size
    if out.size is None:
        return Grid(out.channels, wanted, out.space)
    if out.scale is not None and wanted != out.size:
        expected = f"expects {_expected(out.size, out.scale, low)} (out.size {by_x(out.size)} over out.scale), but"
        if number:
            what = f"at pass {number + 1} of `repeat` {expected} pass {number} gives {by_x(low.size)}."
            raise Misfit(f"inputs.{basis}", what, "Drop out.size, which only one pass can answer on, or drop `repeat`.")
        given = " and ".join(map(repr, stage.inputs[basis].parents))
        fix = f"Set out.size {list(wanted)}, drop out.scale, or add a bridge."
        raise Misfit(f"inputs.{basis}", f"{expected} {given} gives {by_x(low.size)}.", fix)
    return Grid(out.channels, out.size, out.space)


def _expected(size: tuple[int, ...], scale: float | Mapping[str, float], low: Grid) -> str:
    return "x".join(f"{n / f:g}" for n, f in zip(size, factors(scale, low), strict=False))


def _scaled(scale: float | Mapping[str, float], low: Grid) -> tuple[int, ...]:
    sizes = [n * f for n, f in zip(low.size, factors(scale, low), strict=True)]
    if any(abs(n - round(n)) > 1e-6 or round(n) < 1 for n in sizes):
        exact = "x".join(f"{n:g}" for n in sizes)
        raise Misfit(
            "out.scale",
            f"takes {by_x(low.size)} to {exact}, which is no whole number of sites.",
            "Choose a scale that does, or set `out.size`.",
        )
    return tuple(round(n) for n in sizes)


def factors(scale: float | Mapping[str, float], low: Grid) -> tuple[float, ...]:
    """The factor of each axis: a number scales all, a map the axes it names; the others stay.

    Raises:
        Misfit: where the map names axes that the grid lacks, or one twice.
    """
    if not isinstance(scale, Mapping):
        return (scale,) * len(low.axes)
    letters = "".join(scale)
    if problem := axes_problem(letters, low.axes):
        raise Misfit("out.scale", *problem)
    by_axis = {axis: factor for group, factor in scale.items() for axis in group}
    return tuple(by_axis.get(axis, 1.0) for axis in low.axes)


def axes_problem(letters: str, axes: str) -> tuple[str, str] | None:
    """What is wrong with axis letters on a grid with these axes, and the way out."""
    unknown = sorted(set(letters) - set(axes))
    if unknown:
        return f"names axis {unknown[0]!r}, but the grid has the axes {', '.join(axes)}.", f"Use letters of {axes!r}."
    if len(set(letters)) < len(letters):
        return f"names an axis twice ({letters}).", "Name each axis once."
    return None
