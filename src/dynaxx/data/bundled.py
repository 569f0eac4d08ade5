"""The pictures that travel with the package: one contact sheet and a line of text per tile."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dynaxx.data.report import DataReport
from dynaxx.data.sample import Sample
from dynaxx.errors import DataError

FOLDER = Path(__file__).with_name("bundled")
TILE, COLUMNS = 64, 24


@final
class Bundled:
    """A few hundred 64x64 emoji on white, each with a caption, keywords and a category as its label.

    The pictures are Noto Color Emoji's (SIL Open Font License 1.1; see `bundled/LICENSE.txt`).
    """

    def __init__(self, name: str = "emoji") -> None:
        self._rows, self._tiles = _sheet(name)
        #: The names that labels stand for.
        self.categories = tuple(sorted({row["category"] for row in self._rows}))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Sample:
        row = self._rows[index]
        x = self._tiles[index].float() / 127.5 - 1
        label = self.categories.index(row["category"])
        return Sample(x, row["caption"], label, row["char"], keywords=tuple(row["keywords"]))

    @property
    def captions(self) -> tuple[str, ...]:
        """Every caption, in order."""
        return tuple(row["caption"] for row in self._rows)

    @property
    def report(self) -> DataReport:
        """All are used."""
        return DataReport(len(self))


@lru_cache
def _sheet(name: str) -> tuple[list[dict], Tensor]:
    """The lines, and the tiles as bytes `(N, 3, TILE, TILE)`."""
    try:
        rows = [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()]
        with Image.open(FOLDER / f"{name}.png") as image:
            sheet = torch.from_numpy(np.array(image.convert("RGB")))
    except OSError as error:
        raise DataError(
            str(FOLDER), f"the pictures '{name}' are missing or damaged ({error}).", "Install the package again."
        ) from error
    tiles = sheet.unflatten(0, (-1, TILE)).unflatten(2, (COLUMNS, TILE))  # row, y, column, x, channel
    return rows, tiles.permute(0, 2, 4, 1, 3).flatten(0, 1)[: len(rows)].contiguous()
