"""What the samples of a batch are asked for: text, a label, a field, encoded once per run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.noise.denoiser import Condition as AnyCondition
from dynaxx.signal.resample import resample
from dynaxx.spec.condition import ConditionSpec
from dynaxx.stage.text_encoder import TextEncoder, make_text_encoder

Rows = slice | Sequence[int]


@final
@dataclass(frozen=True)
class Condition:
    """A batch of B conditions; what the cascade does not take is None.

    `texts`: B prompts, "" asks for nothing. `tokens (B, T, D)` with `mask (B, T)`, True where a token stands and
    nowhere for "". `labels (B,)`, -1 asks for nothing. `field (B, C, *size)`, zeros ask for nothing.
    """

    texts: tuple[str, ...]
    tokens: Tensor | None = None
    mask: Tensor | None = None
    labels: Tensor | None = None
    field: Tensor | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def null(self) -> Condition:
        """The same batch asked for nothing."""
        nothing = zip(self._parts, (0, False, -1, 0), strict=True)
        parts = (None if part is None else torch.full_like(part, none) for part, none in nothing)
        return Condition(("",) * len(self), *parts)

    def without(
        self, *, text: bool | Tensor = False, label: bool | Tensor = False, field: bool | Tensor = False
    ) -> Condition:
        """The batch with parts withheld, everywhere (True) or where a mask `(B,)` is True."""
        rows = {"text": _rows(text, len(self)), "label": _rows(label, len(self)), "field": _rows(field, len(self))}
        texts = tuple("" if gone else t for t, gone in zip(self.texts, rows["text"].tolist(), strict=True))
        return replace(
            self,
            texts=texts,
            tokens=_withheld(self.tokens, rows["text"], 0),
            mask=_withheld(self.mask, rows["text"], False),
            labels=_withheld(self.labels, rows["label"], -1),
            field=_withheld(self.field, rows["field"], 0),
        )

    def joined(self, other: AnyCondition) -> Condition:
        """This batch followed by another of the same kinds."""
        assert isinstance(other, Condition)
        pairs = zip(self._parts, other._parts, strict=True)
        both = (None if a is None or b is None else torch.cat([a, b]) for a, b in pairs)
        return Condition(self.texts + other.texts, *both)

    def take(self, rows: Rows) -> Condition:
        """The given samples of the batch, in the given order."""
        index = range(len(self))[rows] if isinstance(rows, slice) else rows
        texts = tuple(self.texts[i] for i in index)
        return replace(self._map(lambda x: x[list(index)]), texts=texts)

    def to(self, device: torch.device | str) -> Condition:
        """The same batch on `device`."""
        return self._map(lambda x: x.to(device))

    def on(self, size: tuple[int, ...]) -> Condition:
        """The same batch with its field resized to a stage's grid."""
        if self.field is None or tuple(self.field.shape[2:]) == size:
            return self
        return replace(self, field=resample(self.field, size, "bilinear-antialias"))

    @property
    def _parts(self) -> tuple[Tensor | None, ...]:
        return self.tokens, self.mask, self.labels, self.field

    def _map(self, change: Callable[[Tensor], Tensor]) -> Condition:
        return Condition(self.texts, *(None if part is None else change(part) for part in self._parts))


def encode(
    spec: ConditionSpec,
    *,
    prompts: str | Sequence[str] | None = None,
    labels: int | Sequence[int] | Tensor | None = None,
    field: Tensor | None = None,
    count: int | None = None,
    encoder: TextEncoder | None = None,
) -> Condition:
    """Encode what `count` samples are asked for; one prompt, label or field serves them all, none asks for nothing.

    `field` is `(C, *size)` or `(B, C, *size)`. Without `count` the longest of the three gives the number.
    `encoder` brings a text encoder that is already loaded.

    Raises:
        UsageError: if something is given that the cascade does not take, or lengths, range or channels do not fit.
    """
    texts = [prompts] if isinstance(prompts, str) else list(prompts or [])
    numbers = [labels] if isinstance(labels, int) else [int(label) for label in (labels if labels is not None else [])]
    _refuse_untaken(spec, prompts is not None and any(texts), labels is not None, field is not None)
    fields = _fields(spec, field)
    held = 0 if fields is None else len(fields)
    batch = _batch(count, {"prompts": len(texts), "labels": len(numbers), "fields": held})
    texts = (texts or [""]) * (batch if len(texts) <= 1 else 1)
    tokens, mask = (encoder or make_text_encoder(spec.text))(texts) if spec.text else (None, None)
    return Condition(
        tuple(texts), tokens, mask,
        labels=_labels(spec, numbers, batch),
        field=fields if fields is None or len(fields) == batch else fields.expand(batch, *fields.shape[1:]),
    )  # fmt: skip


def _refuse_untaken(spec: ConditionSpec, prompts: bool, labels: bool, field: bool) -> None:
    takes = {"text": (prompts, spec.text), "label": (labels, spec.label), "field": (field, spec.field)}
    for name, (given, taken) in takes.items():
        if given and taken is None:
            fix = f"Leave it out, or add `{name}` under `condition` and train with it."
            raise UsageError("condition", f"a {name} was given, but this cascade takes none.", fix)


def _batch(count: int | None, lengths: dict[str, int]) -> int:
    batch = max(1, *lengths.values()) if count is None else count
    for name, length in lengths.items():
        if length not in (0, 1, batch):
            raise UsageError("condition", f"{length} {name} for {batch} samples.", f"Give one, or {batch} of them.")
    return batch


def _labels(spec: ConditionSpec, labels: list[int], batch: int) -> Tensor | None:
    if spec.label is None:
        return None
    for label in labels:
        if not -1 <= label < spec.label.classes:
            fix = f"Give 0 to {spec.label.classes - 1}, or -1 for none."
            raise UsageError("condition", f"label {label} is out of range.", fix)
    labels = (labels or [-1]) * (batch if len(labels) <= 1 else 1)
    return torch.tensor(labels, dtype=torch.int64)


def _fields(spec: ConditionSpec, field: Tensor | None) -> Tensor | None:
    """The fields as a batch; none given but one expected is an error, since its size is unknown."""
    if spec.field is None:
        return None
    if field is None:
        fix = f"Give a tensor with {spec.field.channels} channels; zeros ask for nothing."
        raise UsageError("condition", "this cascade needs a field.", fix)
    batched = field if field.ndim > 2 and field.shape[1] == spec.field.channels else field.unsqueeze(0)
    if batched.ndim < 3 or batched.shape[1] != spec.field.channels:
        problem = f"a field of shape {tuple(field.shape)}, but the cascade takes {spec.field.channels} channels."
        raise UsageError("condition", problem, "Give (channels, *size) or (samples, channels, *size).")
    return batched


def _rows(gone: bool | Tensor, batch: int) -> Tensor:
    return torch.full((batch,), gone) if isinstance(gone, bool) else gone.bool().cpu()


def _withheld(value: Tensor | None, rows: Tensor, nothing: float) -> Tensor | None:
    if value is None:
        return None
    return value.masked_fill(rows.to(value.device).view(-1, *[1] * (value.ndim - 1)), nothing)
