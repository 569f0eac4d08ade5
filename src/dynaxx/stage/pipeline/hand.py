"""Half-way between two pipelines: where the walk is parted, and what a scheduler remembers across."""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Lock
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.noise.level import Level

STATE = "state that was handed over"
"""Told from what a scheduler itself remembers."""


@final
class Memory:
    """What the scheduler above remembered when it handed over, by sample; batches may be cut anew on the way."""

    def __init__(self) -> None:
        self._parts: list[tuple[tuple[int, ...], str, dict[str, Any]]] = []
        self._lock = Lock()

    def __deepcopy__(self, memo: dict[int, Any]) -> Memory:
        """Replicas of a stage leave what they remember in one place."""
        return self

    def clear(self) -> None:
        """Forget all: what a run left is for that run."""
        self._parts = []

    def leave(self, ids: Sequence[int], scheduler: Any, left: dict[str, Any], state: Tensor) -> None:
        """Take what a batch's scheduler remembers beside the state handed over, in place of what was left before."""
        with self._lock:
            self._parts = [part for part in self._parts if not set(part[0]) & set(ids)]
            self._parts.append((tuple(ids), _name(scheduler), left | {STATE: state}))

    def take(self, ids: Sequence[int], scheduler: Any, state: Tensor) -> dict[str, Any] | None:
        """What a batch's scheduler should remember; None where another kind walked above, or to another state."""
        parts = [part for part in self._parts if part[1] == _name(scheduler)]
        order = [sample for part in parts for sample in part[0]]
        if not set(ids) <= set(order):
            return None
        rows = torch.tensor([order.index(sample) for sample in ids])
        counts = [len(part[0]) for part in parts]
        found = {name: _join([part[2][name] for part in parts], counts, rows, state.device) for name in parts[0][2]}
        return found if torch.equal(found.pop(STATE).to(state.dtype), state) else None


def _join(values: list[Any], counts: list[int], rows: Tensor, device: torch.device) -> Any:
    first = values[0]
    if isinstance(first, list):
        return [_join(list(column), counts, rows, device) for column in zip(*values, strict=True)]
    batched = isinstance(first, Tensor) and first.ndim > 1 and first.shape[0] == counts[0]
    return torch.cat([value.to(device) for value in values])[rows.to(device)] if batched else first


def _name(scheduler: Any) -> str:
    return f"{type(scheduler).__name__} {sorted((key, str(value)) for key, value in scheduler.config.items())}"


def fraction_of(scheduler: Any, std: float) -> float:
    """`denoising_end` and `denoising_start` of a level: 1 - t / T, t the first timestep at or above it."""
    kept = scheduler.alphas_cumprod
    stds = ((1 - kept) / kept).sqrt()
    cutoff = int((stds < std * (1 - 1e-6)).sum())
    return 1 - cutoff / len(stds)


def start_share(levels: Sequence[Level], steps: int, std: float) -> float:
    """The share of `steps` (`strength`) that a walk takes which begins at the level nearest to `std`, in ln std."""
    logs = [math.log(max(float(level.std), 1e-12)) for level in levels[:-1]]
    skipped = min(range(len(logs)), key=lambda i: abs(logs[i] - math.log(std)))
    return min(1.0, (steps - skipped * steps // len(logs)) / steps + 1e-9)


def cleaned(state: Tensor, level: Level) -> Tensor:
    """`x + std eps` from `alpha x + sigma eps`: the form in which any stage can take a state up."""
    return state if level.alpha == 1 else state / level.alpha
