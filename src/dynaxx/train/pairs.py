"""Batches of training pairs: a signal, its inputs as the edges bring them, what it is asked for, and its noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from dynaxx.engine.edges import carry
from dynaxx.engine.spaces import entering
from dynaxx.errors import SpecError
from dynaxx.noise.denoiser import Input
from dynaxx.noise.process import make_process
from dynaxx.signal.random import Draws
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.graph import EdgeInput, Node
from dynaxx.spec.stage import DiffusionStage, RegressionStage
from dynaxx.spec.training import TrainingSpec
from dynaxx.stage.beside import Beside
from dynaxx.stage.condition import Condition
from dynaxx.train.carried import Kept, enters_once
from dynaxx.train.levels import draw_strength, draw_times
from dynaxx.train.material import Material
from dynaxx.train.order import Order
from dynaxx.train.signals import Size


@final
@dataclass(frozen=True)
class Batch:
    """B pairs: `x (B, C, *size)`, times `t (B,)`, noise `eps` as x, inputs, condition, and the samples' names."""

    x: Tensor
    t: Tensor
    eps: Tensor
    inputs: Mapping[str, Input]
    condition: Condition
    ids: tuple[str, ...]


@final
class Pairs:
    """The n-th pair of a stage's training, a function of (seed, stage, n) alone, whatever the batches.

    The low input is the truth of its parent, the same data on the parent's grid, or with probability
    `train.generated` what the frozen parent made of it (`generated`, by node, input and parent).
    """

    def __init__(
        self,
        condition: ConditionSpec,
        graph: Sequence[Node],
        node: Node,
        material: Material,
        *,
        generated: Mapping[tuple[str, str, str], Kept] | None = None,
        device: torch.device = torch.device("cpu"),
    ) -> None:
        assert isinstance(node.stage, DiffusionStage | RegressionStage)
        self.node, self.train, self.device = node, node.stage.train or TrainingSpec(), device
        self._dropout, self._material, self._generated = condition, material, generated or {}
        self._process = make_process(node.stage.process, node.grid) if isinstance(node.stage, DiffusionStage) else None
        self._inputs = {name: node.inputs[name] for name in Beside.of(node.stage).names}
        groups, by_group = material.groups(self.train.part), self.train.draw == "by-group"
        self._order = Order.of(self.train.seed, node.stage.name, groups, by_group=by_group)
        _check(node, self._inputs, [other.name for other in graph])
        if any(node.path(name) for name in self._inputs):
            material.codecs.to(device)

    def batch(self, numbers: Sequence[int]) -> Batch:
        """The pairs with these numbers."""
        draws = Draws(self.train.seed, self.node.stage.name, tuple(numbers))
        rows = self._order.rows(numbers)
        x = self._material.truth(self.node.grid).at(rows).to(self.device)
        inputs = {name: self._input(name, rows, draws) for name in self._inputs}
        x, inputs = self._cropped(x, inputs, draws)
        eps = draws.normal("eps", tuple(x.shape[1:]), device=self.device)
        ids = tuple(self._material.signals.facts[row].id for row in rows)
        return Batch(x, self._times(draws), eps, inputs, self._asked(rows, draws), ids)

    def _times(self, draws: Draws) -> Tensor:
        if self._process is None:
            return torch.zeros(len(draws.ids), device=self.device)
        return draw_times(self.train.levels, self._process, draws, self.train.batch_size).to(self.device)

    def _input(self, name: str, rows: list[int], draws: Draws) -> Input:
        given = self._inputs[name]
        scoped = draws.scoped(f"{self.node.stage.name}.{name}")
        made = (draws.uniform("generated", ()) < self.train.generated).tolist()
        parents = [self._parent(name, parent, rows, made).to(self.device) for parent in given.parents]
        strength = draw_strength(given.edge, scoped, len(self.node.grid.size), self.device)
        entered = enters_once(self.node, name)  # and kept so
        size = self.node.grid.size if entered else given.high.size
        enter = None if entered else entering(self.node, name, self._material.codecs, scoped)
        return replace(carry(given.edge, parents, size, scoped, strength=strength, enter=enter), redraw=None)

    def _parent(self, name: str, parent: str, rows: list[int], made: list[bool]) -> Tensor:
        key = self.node.name, name, parent
        truth = self._material.carried[key].at(rows)
        if key in self._generated and any(made):
            places = [i for i, generated in enumerate(made) if generated]
            truth[places] = self._generated[key].at([rows[i] for i in places])
        return truth

    def _cropped(self, x: Tensor, inputs: dict[str, Input], draws: Draws) -> tuple[Tensor, dict[str, Input]]:
        """The same random window of everything, after the edges, so that borders are what they are when sampling."""
        size = self.train.crop
        if size is None or size == tuple(x.shape[2:]):
            return x, inputs
        corners = [
            draws.integers(f"crop {axis}", (), high=have - want + 1).tolist()
            for axis, (have, want) in enumerate(zip(x.shape[2:], size, strict=True))
        ]
        at = list(zip(*corners, strict=True))
        return window(x, at, size), {name: replace(i, x=window(i.x, at, size)) for name, i in inputs.items()}

    def _asked(self, rows: list[int], draws: Draws) -> Condition:
        """What the samples are asked for; one draw decides for text and label, so that both are missing at once."""
        asked = self._material.condition.take([self._material.asked[row] for row in rows])
        u, spec = draws.uniform("withheld", ()), self._dropout
        text = u < spec.text.dropout if spec.text else False
        label = u < spec.label.dropout if spec.label else False
        return asked.without(text=text, label=label).to(self.device)


def window(x: Tensor, corners: Sequence[tuple[int, ...]], size: Size) -> Tensor:
    """The part of each sample that begins at its corner, `(B, C, *size)`."""
    parts = []
    for signal, corner in zip(x, corners, strict=True):
        for axis, (start, length) in enumerate(zip(corner, size, strict=True), start=1):
            signal = signal.narrow(axis, start, length)
        parts.append(signal)
    return torch.stack(parts)


def _check(node: Node, inputs: Mapping[str, EdgeInput], known: Sequence[str]) -> None:
    for name, given in inputs.items():
        strange = [parent for parent in given.parents if parent not in known]
        if given.edge.mask:
            strange.append(given.edge.mask)
        if strange:
            problem = f"reads {strange[0]!r}, which data does not bring, so it cannot be trained."
            raise SpecError(f"stages.{node.index}.inputs.{name}", problem, "Read stages only.")
