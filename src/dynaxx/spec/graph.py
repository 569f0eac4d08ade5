"""One list of nodes for every cascade: linear, parallel and recursive all become the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dynaxx.errors import SpecError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.grid import PIXELS, Grid
from dynaxx.spec.grids import Grids, resolve
from dynaxx.spec.problem import error_of, place
from dynaxx.spec.spaces import before_entering, seen_in, space_of
from dynaxx.spec.stage import PipelineStage, StageSpec
from dynaxx.spec.topology import reads
from dynaxx.spec.unroll import Application, Reading, parents_of, unroll
from dynaxx.spec.wiring import fits


@dataclass(frozen=True)
class EdgeInput:
    """One input of a node: `parents` are nodes or `input.NAME` in `spaces`, `edge` holds this pass's levels.

    `grid` is what the merged parents lie on (the first parent's size), in the space where the edge works, before they
    are resized to `high`. That is the node's own grid, or in pixels the one that encoding leads to it from.
    """

    parents: tuple[str, ...]
    edge: EdgeSpec
    grid: Grid
    spaces: tuple[str, ...]
    high: Grid


@dataclass(frozen=True)
class Node:
    """One application of a stage; `iteration` counts from 1, and only repeated stages have more than one.

    `grid` is what the node answers on, `decoded` what that is in pixels, where it lies among latents. `stop_std` is set
    where the answer is handed over unfinished, at that level.
    """

    name: str
    stage: StageSpec
    index: int
    iteration: int
    grid: Grid
    inputs: Mapping[str, EdgeInput] = field(default_factory=dict)
    stop_std: float | None = None
    decoded: Grid | None = None

    @property
    def codecs(self) -> tuple[str, ...]:
        """The codecs that its inputs pass on their way, each once."""
        spaces = [space for name, given in self.inputs.items() for space in self.path(name)]
        return tuple(dict.fromkeys(space for space in spaces if space != PIXELS))

    def path(self, key: str) -> tuple[str, ...]:
        """The spaces between which an input is carried; empty where it stays in its own."""
        given = self.inputs[key]
        if isinstance(self.stage, PipelineStage) or {*given.spaces, given.grid.space} == {self.grid.space}:
            return ()
        return (*given.spaces, given.grid.space, self.grid.space)

    def channels_of(self, key: str) -> int:
        """How many channels an input has when the stage sees it: what is encoded last of all, has the latents'."""
        low = self.inputs[key].grid
        return low.channels if low.space == self.grid.space else self.grid.channels

    @property
    def parents(self) -> tuple[str, ...]:
        """All that the node reads, each once: nodes and `input.NAME`."""
        return parents_of(Reading(given.parents, given.edge) for given in self.inputs.values())


def nodes(spec: CascadeSpec, *, size: tuple[int, ...] | None = None) -> tuple[Node, ...]:
    """The cascade's nodes, each after those it reads; a stage repeated n times gives `name@1 .. name@n`.

    `size` is the size of the stages without inputs, for this run; it goes before the file's.

    Raises:
        SpecError: where a size is given nowhere, or the one given does not fit the sizes downstream.
    """
    grids = fitting(spec, size)
    return tuple(_node(spec, application, grids) for application in unroll(spec))


def fitting(spec: CascadeSpec, size: tuple[int, ...] | None = None) -> Grids:
    """The cascade's grids, for a run at `size` where one is given.

    Raises:
        SpecError: where that size does not fit the sizes downstream.
    """
    grids = resolve(spec, size)
    if problems := [*grids.problems, *(fits(spec, grids) if size else ())]:
        raise error_of(problems)
    return grids


def first_nodes(graph: Iterable[Node]) -> dict[str, Node]:
    """The first node of every stage, by the stage's name, in the graph's order."""
    found: dict[str, Node] = {}
    for node in graph:
        found.setdefault(node.stage.name, node)
    return found


def _node(spec: CascadeSpec, found: Application, grids: Grids) -> Node:
    stage = found.stage
    grid = grids.outs[stage.name][found.iteration - 1]
    if grid is None:
        fix = "Set it, or give the base size when you run (size, --size)."
        raise SpecError(place(found.index, stage.name, "out.size"), "is given nowhere.", fix)
    inputs = {}
    for key, reading in found.inputs.items():
        low = grids.low(stage, key, found.iteration)
        assert low is not None, "a stage's own grid is known only where its inputs' are, or is checked first"
        again = key == "low" and found.iteration > 1
        spaces = (grid.space,) if again else tuple(space_of(spec, name) for name in stage.inputs[key].parents)
        high = grid if isinstance(stage, PipelineStage) else before_entering(spec.codecs, low, grid)
        assert high is not None, "codecs that are not declared are refused first"
        inputs[key] = EdgeInput(reading.parents, reading.edge, low, spaces, high)
    stop_std, decoded = _stop_std(spec, stage.name), seen_in(spec.codecs, grid, PIXELS)
    return Node(
        found.name, stage, found.index, found.iteration, grid, inputs, stop_std, None if decoded == grid else decoded
    )


def _stop_std(spec: CascadeSpec, name: str) -> float | None:
    edges = [edge for stage in spec.stages for edge in stage.inputs.values() if edge.hand == "noisy"]
    return next((edge.hand_std for edge in edges if name in reads(edge)), None)
