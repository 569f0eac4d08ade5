"""A network that is rehearsed once and then answers at once: a walk evaluates it again and again at the same cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from dynaxx.plan.growth import added
from dynaxx.plan.heights import Heights
from dynaxx.plan.tracker import OpKey, Tracker
from dynaxx.stage.condition import Condition
from dynaxx.stage.foreign import Backbone

Kind = tuple[int, Hashable]
"""Of an evaluation: how many rows it is given, and what else tells it from others."""


@final
@dataclass
class Echoes:
    """What the first evaluation of each kind showed: `ops`, and `rises`, its peaks above what was held before.

    `times` counts how often each kind was asked for. `passed` evaluations go by before that, as those do that make
    tables for all others.
    """

    tracker: Tracker
    passed: int = 0
    ops: dict[Kind, Counter[OpKey]] = field(default_factory=dict)
    rises: dict[Kind, Heights] = field(default_factory=dict)
    times: Counter[Kind] = field(default_factory=Counter)
    _answers: dict[Kind, Callable[[], Any]] = field(default_factory=dict)

    def of(self, kind: Kind, evaluate: Callable[[], Any]) -> Any:
        """Evaluate, or answer as the first time did, with the first time's peaks above what is held now."""
        self.times[kind] += 1
        if self.times[kind] <= self.passed:
            return evaluate()
        tracker, held = self.tracker, self.tracker.held()
        if kind in self.ops:
            tracker.heights.add(self.rises[kind].raised(held))
            return self._answers[kind]()
        outside, heights = tracker.ops, tracker.heights
        tracker.ops, tracker.heights = Counter(), Heights()
        answer = evaluate()
        self.ops[kind], inside = tracker.ops, tracker.heights.undominated()
        self.rises[kind] = inside.raised(added(held, times=-1))
        heights.add(inside)
        tracker.ops, tracker.heights = outside, heights
        self._answers[kind] = _maker(answer)
        return answer


@final
@dataclass
class Echo:
    """A backbone in whose place echoes stand in a walk."""

    network: Backbone
    echoes: Echoes

    def __call__(self, x: Tensor, level: Tensor, told: Tensor | None, condition: Condition) -> Tensor:
        """Evaluate, or answer as the first time did."""
        answer: Tensor = self.echoes.of((len(x), None), lambda: self.network(x, level, told, condition))
        return answer


def echoed(module: nn.Module, name: str, echoes: Echoes) -> None:
    """Let only a foreign network's first evaluation through for all that are given tensors of the same shapes."""
    forward = module.forward

    def heard(*args: Any, **kwargs: Any) -> Any:
        shapes = tuple(x.shape for x in (*args, *kwargs.values()) if isinstance(x, Tensor))
        rows = next((shape[0] for shape in shapes if shape), 1)
        return echoes.of((rows, (name, shapes)), lambda: forward(*args, **kwargs))

    module.forward = heard


def _maker(answer: Any) -> Callable[[], Any]:
    """What makes an answer of the same shapes again."""
    tensors, spec = tree_flatten(answer)
    told = [(x.shape, x.dtype, x.device) for x in tensors]
    return lambda: tree_unflatten([torch.empty(shape, dtype=dtype, device=on) for shape, dtype, on in told], spec)
