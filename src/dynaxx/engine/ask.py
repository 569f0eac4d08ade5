"""What a run is asked for: prompts or labels, how many of each, and the random numbers they are drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, final

from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.signal.random import Draws
from dynaxx.spec.condition import ConditionSpec
from dynaxx.stage.condition import Condition, encode

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Ask:
    """`total` samples: `num` for each prompt or label, or as many as the user's own signals are."""

    prompts: tuple[str, ...]
    labels: tuple[int, ...]
    field: Tensor | None
    draws: Draws

    @classmethod
    def of(
        cls,
        prompt: str | Sequence[str] | None,
        labels: int | Sequence[int] | None,
        field: Tensor | None,
        *,
        num: int,
        seed: int,
        ids: Sequence[int] | None,
        signals: Sequence[Tensor],
    ) -> Ask:
        """Put a call's arguments in order.

        Raises:
            UsageError: if the counts do not fit together.
        """
        if num < 1:
            raise UsageError("num", f"{num} samples cannot be drawn.", "Ask for 1 or more.")
        texts = _each([prompt] if isinstance(prompt, str) else prompt or (), num)
        classes = _each([labels] if isinstance(labels, int) else labels or (), num)
        free = max([num, *(len(x) for x in signals), 0 if field is None else len(field)])
        total = max(len(texts), len(classes)) or free
        if ids is not None and len(ids) != total:
            raise UsageError("ids", f"{len(ids)} ids for {total} samples.", "Give one id per sample.")
        return cls(texts, classes, field, Draws(seed, "", tuple(range(total) if ids is None else ids)))

    @property
    def total(self) -> int:
        """How many samples."""
        return len(self.draws.ids)

    def encode(self, spec: ConditionSpec) -> Condition:
        """The condition of every sample."""
        return encode(
            spec, prompts=self.prompts or None, labels=self.labels or None, field=self.field, count=self.total
        )


def _each(values: Sequence[T], num: int) -> tuple[T, ...]:
    """Each value `num` times in a row."""
    return tuple(value for value in values for _ in range(num))
