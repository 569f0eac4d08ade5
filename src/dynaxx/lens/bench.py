"""What every probe works with: the cascade's taps, the truth where there is one, and the scale of distances."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import final

from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.lens.reference import Reference
from dynaxx.lens.taps import Taps
from dynaxx.lens.yardstick import OnFeatures, Yardstick
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.signal.resample import resample
from dynaxx.spec.graph import EdgeInput, Node
from dynaxx.spec.grids import kernels

FEW = 32
"""Samples that a stage under suspicion is tried again on."""


@final
@dataclass
class Bench:
    """A cascade on the bench. Without a reference, what the cascade itself makes stands in for true low inputs."""

    taps: Taps
    reference: Reference | None = None
    yardstick: Yardstick = field(default_factory=OnFeatures)
    few: int = FEW

    @property
    def graph(self) -> tuple[Node, ...]:
        """The cascade's nodes, each after those it reads."""
        return self.taps.graph

    @property
    def last(self) -> Node:
        """The node whose answer is the cascade's."""
        return self.graph[-1]

    @cached_property
    def truths(self) -> dict[str, Tensor]:
        """What every node should have answered, by name; empty without a reference."""
        return {node.name: self.reference.truth(node) for node in self.graph} if self.reference else {}

    @cached_property
    def chain(self) -> dict[str, Tensor]:
        """What every node answers in an ordinary run."""
        return self.taps.chain()

    @cached_property
    def given(self) -> dict[str, Tensor]:
        """What nodes are run on when they are looked at alone: the truth, else what the chain gives them."""
        return {**self.taps.given, **(self.truths or self.chain)}

    def own(self, node: Node) -> Tensor:
        """The node's answers when everything before it is true."""
        return self.taps.answer(node.name, self.given)

    def on(
        self,
        node: Node,
        low: Tensor,
        *,
        rows: int | None = None,
        seed: int | None = None,
        cascade: Cascade | None = None,
    ) -> Tensor:
        """The node's answers to another low input, all else as it is; of the first `rows` samples where not all."""
        count = len(low) if rows is None else rows
        given = {name: x[:count] for name, x in self.given.items()}
        given[self.low(node).parents[0]] = low[:count]
        return self.taps.answer(node.name, given, rows=range(count), seed=seed, cascade=cascade)

    def low(self, node: Node) -> EdgeInput:
        """The node's low input."""
        return node.inputs["low"]

    def low_of(self, node: Node) -> Tensor:
        """The signal that the low input reads when the node is looked at alone."""
        return self.given[self.low(node).parents[0]]

    def later(self) -> list[Node]:
        """The nodes that have a low input of their own number of channels, from one signal."""
        return [node for node in self.graph if self._simple(node)]

    def _simple(self, node: Node) -> bool:
        if "low" not in node.inputs or len(self.low(node).parents) != 1:
            return False
        given = self.low(node)
        spaces = {*given.spaces, given.grid.space}
        return given.grid.channels == node.grid.channels and spaces == {node.grid.space}

    def down(self, x: Tensor, node: Node) -> Tensor:
        """A node's answers on the grid of its low input."""
        size = self.low(node).grid.size
        if self.reference is not None:
            return self.reference.down(x, size)
        names = kernels(self.low(node).edge, size)
        return resample(x, size, "fourier" if set(names) == {"fourier"} else "bicubic-antialias")

    def distance(self, x: Tensor, node: Node) -> Pairwise:
        """The distance between answers on a node's grid and as many true signals."""
        return self.yardstick(x, self.truths[node.name])
