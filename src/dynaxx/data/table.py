"""Reads `metadata.jsonl` and `metadata.csv`: one line per file, with its caption and label."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from dynaxx.data.report import Skipped
from dynaxx.errors import DataError

TABLES = ("metadata.jsonl", "metadata.csv")
TEXTS = ("text", "caption")


@final
@dataclass(frozen=True)
class Line:
    """`file` relative to the data's folder; `place` says where the line stands."""

    place: str
    file: str
    text: str
    label: int | str | None


def read_table(path: Path, root: Path) -> tuple[list[Line], list[Skipped]]:
    """The lines of a table with the columns `file_name`, `text` or `caption`, and perhaps `label`."""
    lines: list[Line] = []
    skipped: list[Skipped] = []
    name, folder = path.relative_to(root).as_posix(), path.parent.relative_to(root)
    for number, row in _csv(path) if path.suffix == ".csv" else _jsonl(path):
        place = f"{name} line {number}"
        problem = row if isinstance(row, str) else _problem(row)
        if problem or isinstance(row, str):
            skipped.append(Skipped(place, problem, "Mend or remove the line."))
            continue
        text = next((row[key] for key in TEXTS if row.get(key)), "")
        lines.append(Line(place, (folder / row["file_name"]).as_posix(), " ".join(text.split()), row.get("label")))
    return lines, skipped


def text_of(path: Path) -> str:
    """The UTF-8 text of a file; DataError where it is something else."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(str(path), f"is not UTF-8 text (byte {error.start}).", "Save it as UTF-8.") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(str(path), f"cannot be opened: {reason}.", "Check its permissions.") from error


def _jsonl(path: Path) -> list[tuple[int, dict[str, Any] | str]]:
    rows: list[tuple[int, dict[str, Any] | str]] = []
    for number, line in enumerate(text_of(path).split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
                rows.append((number, row if isinstance(row, dict) else "is not a JSON object."))
            except (ValueError, RecursionError) as error:
                rows.append((number, f"is not JSON ({error})."))
    return rows


def _csv(path: Path) -> list[tuple[int, dict[str, Any] | str]]:
    reader = csv.DictReader(io.StringIO(text_of(path), newline=""))
    try:
        if "file_name" not in (reader.fieldnames or ()):
            raise DataError(
                str(path),
                f"has no column file_name (columns: {', '.join(reader.fieldnames or ())}).",
                "Name the column that holds the file names file_name.",
            )
        return [(reader.line_num, _typed(row)) for row in reader]
    except csv.Error as error:
        raise DataError(str(path), f"is not CSV ({error}).", "Save it as CSV with commas, in UTF-8.") from error


def _typed(row: dict[Any, Any]) -> dict[str, Any]:
    """A row of text; a label that is a number becomes one."""
    label = row.get("label")
    row["label"] = int(label) if label and label.isdecimal() else label or None
    return row


def _problem(row: dict[str, Any]) -> str:
    """What is wrong with a row, or nothing."""
    if not isinstance(row.get("file_name"), str) or not row["file_name"]:
        return "has no file_name."
    for key in TEXTS:
        if row.get(key) is not None and not isinstance(row[key], str):
            return f"has a {key} that is no text ({row[key]!r})."
    label = row.get("label")
    if label is not None and (isinstance(label, bool) or not isinstance(label, int | str)):
        return f"has a label that is neither a whole number nor a word ({label!r})."
    return f"has a negative label ({label})." if isinstance(label, int) and label < 0 else ""
