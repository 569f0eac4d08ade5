"""What every probe works with: the cascade's taps, the truth where there is one, and the scale of distances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.edges import merge
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

    @property
    def given_are(self) -> str:
        """What those are called in a sentence."""
        return "true inputs" if self.reference else "inputs as a run gives them"

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
        """The node's answers to another low input, all else as it is; of the first `rows` samples where not all.

        Where the low input is joined from several signals, each of them is `low`. Joined, they are it: `mean` and
        `weighted` divide by the sum of weights, the shares of `mask` sum to 1, and `bands` part all frequencies.
        """
        count = len(low) if rows is None else rows
        given = {name: x[:count] for name, x in self.given.items()}
        given |= dict.fromkeys(self.low(node).parents, low[:count])
        return self.taps.answer(node.name, given, rows=range(count), seed=seed, cascade=cascade)

    def low(self, node: Node) -> EdgeInput:
        """The node's low input."""
        return node.inputs["low"]

    def low_of(self, node: Node) -> Tensor:
        """The low input when the node is looked at alone."""
        return self.joined(node, self.given)

    def joined(self, node: Node, signals: Mapping[str, Tensor]) -> Tensor:
        """The low input that the node makes of what it reads, by name, joined where that is several signals."""
        given = self.low(node)
        mask = signals[given.edge.mask] if given.edge.mask else None
        return merge(given.edge, [signals[parent] for parent in given.parents], mask)

    def later(self) -> list[Node]:
        """The nodes that have a low input of their own number of channels, and in their own space."""
        return [node for node in self.graph if self._simple(node)]

    def _simple(self, node: Node) -> bool:
        if "low" not in node.inputs:
            return False
        given = self.low(node)
        spaces = {*given.spaces, given.grid.space}
        own = given.grid.channels == node.grid.channels and spaces == {node.grid.space}
        return own and given.edge.merge != "concat" and self._sizes(given.parents) == {given.grid.size}

    def _sizes(self, names: Iterable[str]) -> set[tuple[int, ...]]:
        sizes = {node.name: node.grid.size for node in self.graph}
        sizes |= {f"input.{name}": tuple(due.size) for name, due in self.taps.cascade.spec.inputs.items()}
        return {sizes[name] for name in names}

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
