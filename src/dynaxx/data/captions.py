"""Captions and labels of the files in a folder: metadata tables, `.txt` files beside them, or class folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import final

from dynaxx.data.report import Notice, Skipped
from dynaxx.data.table import TABLES, Line, read_table, text_of


@final
@dataclass
class Captions:
    """`texts` and `labels` by file name, and what is to be reported."""

    texts: dict[str, str] = field(default_factory=dict)
    labels: dict[str, int | str] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def read_captions(root: Path, files: Sequence[str]) -> Captions:
    """The captions of `files` (relative to `root`), in the first form that the folder has.

    `metadata.jsonl` or `metadata.csv` (also in subfolders, each for what lies below it); else `.txt` files of the same
    name; else the names of the folders that the files lie in, which are then labels too.
    """
    tables = sorted(path for name in TABLES for path in root.rglob(name) if path.is_file())
    found = Captions()
    if tables:
        _from_tables(root, tables, files, found)
    elif any((root / file).with_suffix(".txt").is_file() for file in files):
        _from_texts(root, files, found)
    elif files and all("/" in file for file in files):
        _from_folders(files, found)
    else:
        found.notices.append(Notice("", "no captions were found; all samples have an empty one."))
        return found
    for file in files:
        if not found.texts.get(file) and file not in found.labels:
            found.notices.append(Notice(file, "has no caption; an empty one is used."))
    return found


def numbered(labels: dict[str, int | str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Labels as integers, and their names in order where they were words."""
    if all(isinstance(label, int) for label in labels.values()):
        return {file: int(label) for file, label in labels.items()}, ()
    names = tuple(sorted({str(label) for label in labels.values()}))
    return {file: names.index(str(label)) for file, label in labels.items()}, names


def _from_tables(root: Path, tables: Sequence[Path], files: Sequence[str], found: Captions) -> None:
    known = set(files)
    for path in tables:
        if path.suffix == ".csv" and path.with_suffix(".jsonl") in tables:
            found.notices.append(Notice(path.relative_to(root).as_posix(), "is not read: metadata.jsonl is there too."))
            continue
        lines, skipped = read_table(path, root)
        found.skipped += skipped
        for line in lines:
            _take(root, line, known, found)


def _take(root: Path, line: Line, known: set[str], found: Captions) -> None:
    """One line of a table, if it names a file that is there and lies inside the folder."""
    file = line.file
    if ".." in PurePosixPath(file).parts or file.startswith("/"):
        found.skipped.append(
            Skipped(line.place, f"names '{file}', which lies outside the folder.", "Move the file into the folder.")
        )
    elif file in found.texts:
        found.notices.append(Notice(line.place, f"names '{file}' again; the first line counts."))
    elif file in known:
        found.texts[file] = line.text
        if line.label is not None:
            found.labels[file] = line.label
    elif os.path.exists(root / file):  # False, not an error, for names that no system allows
        found.skipped.append(
            Skipped(
                line.place, f"names '{file}', which is of a kind that is not read.", "Convert it, or remove the line."
            )
        )
    else:
        found.skipped.append(
            Skipped(line.place, f"names '{file}', which is not there.", "Add the file, or remove the line.")
        )


def _from_texts(root: Path, files: Sequence[str], found: Captions) -> None:
    stems = {str(PurePosixPath(file).with_suffix("")) for file in files}
    for file in files:
        path = (root / file).with_suffix(".txt")
        if path.is_file():
            found.texts[file] = " ".join(text_of(path).split())
    for path in sorted(root.rglob("*.txt")):
        name = path.relative_to(root).as_posix()
        if str(PurePosixPath(name).with_suffix("")) not in stems:
            found.notices.append(Notice(name, "is a caption without a file of that name."))


def _from_folders(files: Sequence[str], found: Captions) -> None:
    for file in files:
        name = PurePosixPath(file).parent.name
        found.texts[file] = " ".join(name.replace("_", " ").replace("-", " ").split())
        found.labels[file] = name
