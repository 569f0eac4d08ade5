"""One signal with its caption, and what every source of signals offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

from torch import Tensor

from dynaxx.data.report import DataReport


@final
@dataclass(frozen=True, eq=False)
class Sample:
    """A signal `x (C, *size)` float32 in [-1, 1], with what is known about it.

    `id` names it within its dataset. Variants of one thing (skin tones) share a `group`, by default their own `id`, so
    that a split never parts them. `keywords` are further words that fit, of less weight than the caption's.
    """

    x: Tensor
    caption: str = ""
    label: int | None = None
    id: str = ""
    group: str = ""
    keywords: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "group", self.group or self.id)


class Dataset(Protocol):
    """A fixed, ordered collection of samples; the same recipe gives the same samples in the same order."""

    def __len__(self) -> int:
        """How many samples there are."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Sample `index` in [0, len); IndexError beyond."""
        ...

    @property
    def captions(self) -> tuple[str, ...]:
        """Every caption, without reading a picture."""
        ...

    @property
    def report(self) -> DataReport:
        """What was used, noticed and skipped when the data was opened."""
        ...
