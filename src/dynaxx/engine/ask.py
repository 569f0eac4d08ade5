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
from dynaxx.stage.text_encoder import TextEncoder

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
        labels: int | Sequence[int] | Tensor | None,
        field: Tensor | None,
        *,
        num: int,
        seed: int,
        ids: Sequence[int] | None,
        signals: Sequence[Tensor],
        rank: int,
    ) -> Ask:
        """Put a call's arguments in order; a single prompt, label or field `(C, *size)` of `rank` axes is for all.

        Raises:
            UsageError: if the counts do not fit together.
        """
        if num < 1:
            raise UsageError("num", f"{num} samples cannot be drawn.", "Ask for 1 or more.")
        asked = [prompt] if isinstance(prompt, str) else list(prompt or ())
        listed = labels.tolist() if isinstance(labels, Tensor) else labels
        classes = [listed] if isinstance(listed, int) else list(listed or ())
        fields = None if field is None else field if field.ndim == rank + 2 else field[None]
        each = max(len(asked), len(classes), 1)
        texts, numbers = _spread(asked, each, num), _spread(classes, each, num)
        free = max([num, *(len(x) for x in signals), 0 if fields is None else len(fields)])
        total = len(texts) or len(numbers) or free
        if ids is not None and len(ids) != total:
            raise UsageError("ids", f"{len(ids)} ids for {total} samples.", "Give one id per sample.")
        if fields is not None and len(fields) == 1:
            fields = fields.expand(total, *fields.shape[1:])
        return cls(texts, numbers, fields, Draws(seed, "", tuple(range(total) if ids is None else ids)))

    @property
    def total(self) -> int:
        """How many samples."""
        return len(self.draws.ids)

    def encode(self, spec: ConditionSpec, encoder: TextEncoder | None) -> Condition:
        """The condition of every sample."""
        return encode(
            spec, prompts=self.prompts or None, labels=self.labels or None, field=self.field, count=self.total,
            encoder=encoder,
        )  # fmt: skip


def _spread(values: Sequence[T], each: int, num: int) -> tuple[T, ...]:
    """Each value `num` times in a row; a single one stands for all of `each`."""
    several = list(values) * each if len(values) == 1 else values
    return tuple(value for value in several for _ in range(num))
