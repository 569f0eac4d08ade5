"""One list of nodes for every cascade: linear, parallel and recursive all become the same thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dynaxx.errors import SpecError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.edge import EdgeSpec
from dynaxx.spec.grid import Grid
from dynaxx.spec.grids import Grids, kernels, merged, passes, resolve
from dynaxx.spec.problem import error_of, place
from dynaxx.spec.stage import StageSpec
from dynaxx.spec.topology import order, reads
from dynaxx.spec.wiring import fits

__all__ = ["EdgeInput", "Node", "first_nodes", "kernels", "nodes"]


@dataclass(frozen=True)
class EdgeInput:
    """One input of a node: `parents` are nodes or `input.NAME`, `edge` holds this pass's levels.

    `grid` is what the merged parents lie on (the first parent's size) before they are resized to the node's.
    """

    parents: tuple[str, ...]
    edge: EdgeSpec
    grid: Grid


@dataclass(frozen=True)
class Node:
    """One application of a stage; `iteration` counts from 1, and only repeated stages have more than one.

    `stop_std` is set where the answer is handed over unfinished, at that level.
    """

    name: str
    stage: StageSpec
    index: int
    iteration: int
    out: Grid
    inputs: Mapping[str, EdgeInput] = field(default_factory=dict)
    stop_std: float | None = None

    @property
    def grid(self) -> Grid:
        """The grid the node answers on."""
        return self.out

    @property
    def parents(self) -> tuple[str, ...]:
        """All that the node reads, each once: nodes and `input.NAME`."""
        masks = [given.edge.mask for given in self.inputs.values() if given.edge.mask]
        return tuple(dict.fromkeys([name for given in self.inputs.values() for name in given.parents] + masks))


def nodes(spec: CascadeSpec, *, size: tuple[int, ...] | None = None) -> tuple[Node, ...]:
    """The cascade's nodes, each after those it reads; a stage repeated n times gives `name@1 .. name@n`.

    `size` is the size of the stages without inputs, for this run; it goes before the file's.

    Raises:
        SpecError: where a size is given nowhere, or the one given does not fit the sizes downstream.
    """
    grids = resolve(spec, size)
    problems = [*grids.problems, *(fits(spec, grids) if size else ())]
    if problems:
        raise error_of(problems)
    return tuple(node for index in order(spec.stages) for node in _unroll(spec, index, grids))


def first_nodes(graph: Iterable[Node]) -> dict[str, Node]:
    """The first node of every stage, by the stage's name, in the graph's order."""
    found: dict[str, Node] = {}
    for node in graph:
        found.setdefault(node.stage.name, node)
    return found


def _unroll(spec: CascadeSpec, index: int, grids: Grids) -> list[Node]:
    stage = spec.stages[index]
    names = node_names(stage)
    last = {other.name: node_names(other)[-1] for other in spec.stages}
    found = list[Node]()
    for number, (name, out) in enumerate(zip(names, grids.outs[stage.name], strict=True)):
        if out is None:
            fix = "Set it, or give the base size when you run (size, --size)."
            raise SpecError(place(index, stage.name, "out.size"), "is given nowhere.", fix)
        inputs = {key: _input(edge, last, grids) for key, edge in stage.inputs.items()}
        if passes(stage) > 1:
            inputs["low"] = _pass(stage, number, inputs["low"], found)
        found.append(Node(name, stage, index, number + 1, out, inputs, _stop_std(spec, stage.name)))
    return found


def node_names(stage: StageSpec) -> tuple[str, ...]:
    """The names of a stage's nodes, in order."""
    times = passes(stage)
    return (stage.name,) if times == 1 else tuple(f"{stage.name}@{i + 1}" for i in range(times))


def _input(edge: EdgeSpec, last: Mapping[str, str], grids: Grids) -> EdgeInput:
    grid = merged(edge, grids)
    assert grid is not None, "a stage's own grid is known only where its inputs' are, or is checked first"
    return EdgeInput(tuple(last.get(name, name) for name in edge.parents), edge, grid)


def _pass(stage: StageSpec, number: int, low: EdgeInput, before: list[Node]) -> EdgeInput:
    """The low input of pass `number`: pass 0 reads the parents, the others read the pass before."""
    stds = stage.repeat.std if stage.repeat else None
    update: dict[str, Any] = {}
    if stds is not None and low.edge.noise is not None:
        update["noise"] = low.edge.noise.model_copy(update={"std": stds[number]})
    if number == 0:
        return EdgeInput(low.parents, low.edge.model_copy(update=update), low.grid)
    alone = {"from_": stage.name, "merge": None, "weights": None, "mask": None, "cutoff": None}
    return EdgeInput((before[-1].name,), low.edge.model_copy(update=update | alone), before[-1].out)


def _stop_std(spec: CascadeSpec, name: str) -> float | None:
    edges = [edge for stage in spec.stages for edge in stage.inputs.values() if edge.hand == "noisy"]
    return next((edge.hand_std for edge in edges if name in reads(edge)), None)
