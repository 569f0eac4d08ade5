"""What stands beside x_t at a network's input: other signals, and the levels the network is told about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from dynaxx.noise.denoiser import Input
from dynaxx.noise.told import told
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.stage import BaseStage
from dynaxx.stage.condition import Condition
from dynaxx.stage.denoise import starts


@final
@dataclass(frozen=True)
class Beside:
    """The names of the inputs in channel order, and the (name, `std` or `blur`) pairs in the order they are told."""

    names: tuple[str, ...]
    levels: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, spec: BaseStage) -> Beside:
        """All inputs that denoising does not start at, by name; a level is told where its corruption says so."""
        names = tuple(sorted(name for name, edge in spec.inputs.items() if not starts(edge)))
        edges = [(name, spec.inputs[name]) for name in names]
        levels = [
            (name, kind)
            for name, edge in edges
            for kind, corruption in (("std", edge.noise), ("blur", edge.blur))
            if corruption is not None and corruption.told
        ]
        return cls(names, tuple(levels))

    def channels(self, by_input: Mapping[str, int], condition: ConditionSpec) -> int:
        """How many channels stand beside x_t, given those of each input."""
        field = condition.field.channels if condition.field else 0
        return sum(by_input[name] for name in self.names) + field

    def signals(self, inputs: Mapping[str, Input], condition: Condition) -> list[Tensor]:
        """The signals to be concatenated after x_t, inputs first, the field last."""
        return [inputs[name].x for name in self.names] + ([] if condition.field is None else [condition.field])

    def told(self, inputs: Mapping[str, Input], like: Tensor) -> Tensor | None:
        """The told levels `(B, n)` in [0, 1], `2 / pi atan(std)`; None where nothing is told."""
        if not self.levels:
            return None
        values = [per_sample(told(getattr(inputs[name], kind)), like) for name, kind in self.levels]
        return torch.stack(values, dim=1)


def per_sample(value: float | Tensor, like: Tensor) -> Tensor:
    """A number for the whole batch, or `(B, 1, ...)`, as `(B,)` float32 on the device of `like`."""
    if isinstance(value, Tensor):
        return value.to(like.device, torch.float32).reshape(-1).expand(len(like))
    return torch.full((len(like),), value, device=like.device)
