"""A dataset seen at another size: centred, cropped to the aspect, resampled by the recipe's kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import final

from torch import Tensor

from dynaxx.data.report import DataReport, Notice
from dynaxx.data.sample import Dataset, Sample
from dynaxx.errors import DataError
from dynaxx.signal.resample import resample


@final
class Resized:
    """Each sample of `data`, cropped about its centre to the aspect of `size`, resampled and held in [-1, 1]."""

    def __init__(self, data: Dataset, size: tuple[int, ...], kernel: str) -> None:
        self.data, self.size, self.kernel = data, size, kernel

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Sample:
        sample = self.data[index]
        return replace(sample, x=fit(sample.x, self.size, self.kernel))

    @property
    def captions(self) -> tuple[str, ...]:
        """Those of the dataset."""
        return self.data.captions

    @property
    def report(self) -> DataReport:
        """That of the dataset, with the size."""
        size = "x".join(map(str, self.size))
        notice = Notice("", f"samples are cropped to the shape of {size} and resampled by {self.kernel}.")
        return replace(self.data.report, notices=(*self.data.report.notices, notice))


def fit(x: Tensor, size: Sequence[int], kernel: str) -> Tensor:
    """`x (C, *n)` on a grid of `size`: cropped about its centre, resampled, overshoot cut off."""
    if x.ndim - 1 != len(size):
        raise DataError(
            "data",
            f"a signal with {x.ndim - 1} axes does not fit a grid with {len(size)} ({'x'.join(map(str, size))}).",
            "Change the stage's size or its data.",
        )
    if tuple(x.shape[1:]) == tuple(size):
        return x
    return resample(crop(x, size)[None], tuple(size), kernel)[0].clamp(-1, 1)


def crop(x: Tensor, aspect: Sequence[int]) -> Tensor:
    """The largest centred part of `x (C, *n)` with the aspect of `aspect`, to the nearest site."""
    unit = min(have / want for have, want in zip(x.shape[1:], aspect, strict=True))
    for axis, want in enumerate(aspect, start=1):
        keep = min(max(round(want * unit), 1), x.shape[axis])
        x = x.narrow(axis, (x.shape[axis] - keep) // 2, keep)
    return x
