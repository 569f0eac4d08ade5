"""What a stage is given in a rehearsal: signals and conditions that have shapes and no memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from dynaxx.noise.denoiser import Input
from dynaxx.plan.growth import BATCH, Scale
from dynaxx.signal.random import Draws
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import Grid
from dynaxx.stage.condition import Condition

META = torch.device("meta")
DRAWS = Draws(0, "rehearsal", tuple(range(BATCH)))


@final
@dataclass(frozen=True)
class StandIn:
    """The grid of a rehearsal for a node, empty signals for its inputs, and an empty condition."""

    node: Node
    asks: ConditionSpec
    scale: Scale

    @property
    def grid(self) -> Grid:
        """The grid that the stage answers on."""
        return Grid(self.node.grid.channels, self.scale.size, self.node.grid.space)

    def inputs(self) -> dict[str, Input]:
        """One signal per input, on the stage's grid; where sizes are known, also as it was before it was resized."""
        found = {}
        for name, given in self.node.inputs.items():
            x = torch.zeros(BATCH, self.node.channels_of(name), *self.scale.size, device=META)
            source = torch.zeros(BATCH, *given.grid.shape, device=META) if self.scale.fixed else x
            noise = given.edge.noise
            plain = Input(x, source, std=given.edge.level or 0.0, noise_at=noise.at if noise else "high")
            again = noise is not None and noise.redraw == "step"
            found[name] = replace(plain, redraw=_redraw(plain)) if again else plain
        return found

    def condition(self) -> Condition:
        """A condition of every kind that the cascade takes."""
        text, label, field = self.asks.text, self.asks.label, self.asks.field
        tokens = torch.zeros(BATCH, text.max_tokens, text.width, device=META) if text else None
        mask = torch.ones(BATCH, text.max_tokens, dtype=torch.bool, device=META) if text else None
        labels = torch.zeros(BATCH, dtype=torch.int64, device=META) if label else None
        signal = torch.zeros(BATCH, field.channels, *self.scale.size, device=META) if field else None
        return Condition(("",) * BATCH, tokens, mask, labels, signal)


def tensors_of(inputs: Mapping[str, Input], condition: Condition) -> Iterable[Tensor]:
    """All that a batch brings along."""
    for given in inputs.values():
        yield from (given.x, given.source)
    parts = (condition.tokens, condition.mask, condition.labels, condition.field)
    yield from (part for part in parts if part is not None)


def _redraw(plain: Input) -> Callable[[int], Input]:
    def redraw(number: int) -> Input:
        eps = DRAWS.normal("augment", tuple(plain.x.shape[1:]), draw=number, device=META)
        return replace(plain, x=plain.x + eps)

    return redraw
