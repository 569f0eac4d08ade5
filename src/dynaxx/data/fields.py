"""Arrays from `.npy` and `.npz` files as samples: one to three axes, any numeric type, mapped to [-1, 1]."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch

from dynaxx.data.array import ENDINGS, Array, names_in, read_array
from dynaxx.data.captions import numbered, read_captions
from dynaxx.data.file import listed, require_folder
from dynaxx.data.report import DataReport, Notice, Skipped, refuse
from dynaxx.data.resized import fit
from dynaxx.data.sample import Sample
from dynaxx.data.split import Part, belongs
from dynaxx.errors import DataError
from dynaxx.spec.data import FieldsData


@final
@dataclass(frozen=True)
class _Seen:
    """What is kept of an array that was looked at: where it is, its shape with channels, its extremes."""

    file: str
    name: str
    shape: tuple[int, ...]
    low: float
    high: float

    @property
    def id(self) -> str:
        return f"{self.file}:{self.name}" if self.name else self.file


@final
class Fields:
    """Each array is a sample `(C, *size)`; an array without a channel axis has one channel.

    How many axes are grid is the recipe's `axes`, else those of `size`, else: three- and four-axis arrays begin with
    channels, one- and two-axis ones have none. x = 2 (value - low) / (high - low) - 1, held in [-1, 1], with [low,
    high] the recipe's `range` or the extremes of all data. Without a `size`, all must have the commonest shape.
    """

    def __init__(
        self, spec: FieldsData, root: Path, *, size: tuple[int, ...] | None = None, part: Part = "used"
    ) -> None:
        self._size, self._kernel = size, spec.kernel
        self._axes = spec.axes or (len(size) if size else None)
        single = root.is_file()
        self._root = root.parent if single else require_folder(root)
        files = [root.name] if single else listed(root, ENDINGS)
        captions = read_captions(self._root, files)
        self._texts = captions.texts
        self._labels, self.classes = numbered(captions.labels)
        skipped: list[Skipped] = []
        seen = self._alike([s for file in files for s in self._look(file, skipped)], skipped)
        if spec.on_bad == "refuse":
            refuse(str(root), [*captions.skipped, *skipped])
        self._seen = [one for one in seen if belongs(one.id, spec.withheld, part)]
        if not self._seen:
            every = "".join(f"\n  {line}" for line in skipped[:5])
            raise DataError(
                str(root),
                f"holds no usable array.{every}" + ("\n" if every else ""),
                "Put .npy or .npz files of numbers there, or correct the path.",
            )
        self.range = spec.range or _extremes(seen, root)
        notices = (Notice("", self._mapping(spec.range is not None, seen)),)
        self.report = DataReport(len(self._seen), notices, (*captions.skipped, *skipped))

    def __len__(self) -> int:
        return len(self._seen)

    def __getitem__(self, index: int) -> Sample:
        one = self._seen[index]
        low, high = self.range
        array = read_array(self._root / one.file, one.name).astype(np.float64).reshape(one.shape)
        x = torch.from_numpy(((array - low) / (high - low) * 2 - 1).clip(-1, 1)).float()
        x = fit(x, self._size, self._kernel) if self._size else x
        return Sample(x, self._texts.get(one.file, ""), self._labels.get(one.file), one.id)

    @property
    def captions(self) -> tuple[str, ...]:
        """Every caption, in order."""
        return tuple(self._texts.get(one.file, "") for one in self._seen)

    def _look(self, file: str, skipped: list[Skipped]) -> list[_Seen]:
        """The usable arrays of a file; the others are told to `skipped`."""
        found = []
        try:
            names = names_in(self._root / file)
        except DataError as error:
            skipped.append(Skipped(file, error.problem, error.fix))
            return []
        for name in names:
            try:
                array = read_array(self._root / file, name)
                shape = self._shape(array, file)
                found.append(_Seen(file, name, shape, float(array.min()), float(array.max())))
            except DataError as error:
                skipped.append(Skipped(f"{file}:{name}" if name else file, error.problem, error.fix))
        return found

    def _shape(self, array: Array, where: str) -> tuple[int, ...]:
        """The array's shape with its channel axis."""
        axes = self._axes or (array.ndim - 1 if array.ndim > 2 else array.ndim)
        if array.ndim not in (axes, axes + 1) or not 1 <= axes <= 3:
            wanted = f"{self._axes} or {self._axes + 1}" if self._axes else "1 to 4"
            raise DataError(
                where,
                f"has {array.ndim} axes (shape {array.shape}), but {wanted} are expected.",
                "Save one array per sample, (*size) or (channels, *size), or set `axes`.",
            )
        return (1, *array.shape) if array.ndim == axes else array.shape

    def _alike(self, seen: list[_Seen], skipped: list[Skipped]) -> list[_Seen]:
        """Those with the commonest shape, or number of channels where all are brought to one size."""
        kept = [one.shape[:1] if self._size else one.shape for one in seen]
        if not kept:
            return []
        wanted = Counter(kept).most_common(1)[0][0]
        what = "channels" if self._size else "shape"
        for one, shape in zip(seen, kept, strict=True):
            if shape != wanted:
                text = f"has {what} {_of(shape)}, but most have {_of(wanted)}."
                skipped.append(Skipped(one.id, text, "Bring all to one shape, or split the folder."))
        return [one for one, shape in zip(seen, kept, strict=True) if shape == wanted]

    def _mapping(self, given: bool, seen: list[_Seen]) -> str:
        low, high = self.range
        beyond = sum(one.low < low or one.high > high for one in seen)
        cut = f"; {beyond} arrays go beyond and are cut off there" if beyond else ""
        return f"values {low:g} to {high:g} ({'as set' if given else 'the extremes of the data'}) become -1 to 1{cut}."


def _of(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _extremes(seen: list[_Seen], root: Path) -> tuple[float, float]:
    low, high = min(one.low for one in seen), max(one.high for one in seen)
    if low == high:
        raise DataError(str(root), f"all values are {low:g}, so that their range is empty.", "Set `range`.")
    return low, high
