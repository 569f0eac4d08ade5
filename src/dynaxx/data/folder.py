"""A folder of pictures with captions, each looked at when the folder is opened."""

from __future__ import annotations

from pathlib import Path
from typing import final

from dynaxx.data.captions import numbered, read_captions
from dynaxx.data.file import listed, require_folder
from dynaxx.data.picture import FOREIGN, FORMATS, read_picture
from dynaxx.data.report import DataReport, Notice, Skipped, refuse
from dynaxx.data.sample import Sample
from dynaxx.data.split import Part, belongs
from dynaxx.errors import DataError
from dynaxx.spec.data import FolderData

FORMS = "Put PNG, JPEG, WebP, GIF, BMP, TIFF or PPM files there, or correct the path."


@final
class Folder:
    """The usable pictures below `root`, sorted by path; the rest is in `report`, or refused (`on_bad: refuse`).

    Every file is decoded once on opening, so that no bad one can stop a training later; pictures are not kept.
    """

    def __init__(self, spec: FolderData, root: Path, *, part: Part = "used") -> None:
        self._root, self._background = require_folder(root), spec.background
        present = listed(root, (*FORMATS, *FOREIGN))
        captions = read_captions(root, present)
        self._texts = captions.texts
        self._labels, self.classes = numbered(captions.labels)
        good, notices, skipped = self._look([file for file in present if belongs(file, spec.withheld, part)])
        if spec.on_bad == "refuse":
            refuse(str(root), [*captions.skipped, *skipped])
        if not good:
            every = "".join(f"\n  {line}" for line in skipped[:5])
            aside = " in this part of it" if spec.withheld else ""
            raise DataError(str(root), f"holds no usable picture{aside}.{every}" + ("\n" if every else ""), FORMS)
        self._files = good
        unused = set(present) - set(good)
        said = [notice for notice in (*captions.notices, *notices) if notice.file not in unused]
        self.report = DataReport(len(good), tuple(said), (*captions.skipped, *skipped))

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        file = self._files[index]
        x = read_picture(self._root / file, background=self._background).x
        return Sample(x, self._texts.get(file, ""), self._labels.get(file), file)

    @property
    def captions(self) -> tuple[str, ...]:
        """Every caption, in order."""
        return tuple(self._texts.get(file, "") for file in self._files)

    def _look(self, files: list[str]) -> tuple[list[str], list[Notice], list[Skipped]]:
        """Which pictures can be read, and what there is to say about them."""
        good: list[str] = []
        notices: list[Notice] = []
        skipped: list[Skipped] = []
        for file in files:
            try:
                picture = read_picture(self._root / file, background=self._background)
            except DataError as error:
                skipped.append(Skipped(file, error.problem, error.fix))
                continue
            good.append(file)
            notices += (Notice(file, text) for text in picture.notices)
        return good, notices, skipped
