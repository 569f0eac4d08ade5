"""What a folder of many samples already holds: a manifest of what is asked for, a line for each batch that is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from dynaxx.errors import RunError
from dynaxx.share.output_folder import RECORD
from dynaxx.store.atomic import sweep, write_text
from dynaxx.store.lines import Line, Lines, read_lines

MANIFEST, DONE, CAPTIONS = "manifest.json", "done.jsonl", "metadata.jsonl"
AROUND = ("torch", "threads", "device")
"""Facts that change a sample by rounding only."""


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What the samples of a folder were asked for with; None where there is no such manifest."""
    try:
        found = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and "run_id" in found and "batch" in found else None


@final
class Tally:
    """The batches of a job that are in its folder, whole; what is damaged or missing is not, and is named."""

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self.folder = folder
        sweep(folder)
        before = read_manifest(folder)
        if before is None:
            _check_empty(folder)
            write_text(folder / MANIFEST, json.dumps(dict(facts), indent=2) + "\n")
        else:
            _check_same(folder, before, facts)
        self.around = tuple(key for key in AROUND if before and before.get(key) != facts.get(key))
        self.passed_over = list[str]()
        self.done = {line["batch"]: line["files"] for line in read_lines(folder / DONE) if self._whole(line)}
        self._lines = Lines(folder / DONE, keep=lambda line: line.get("batch") in self.done)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._lines.__exit__(kind, error, at)

    def add(self, batch: int, files: Sequence[Path]) -> None:
        """Note a batch whose files are on disk; the note is, too, when this returns."""
        facts = {file.name: _fact(file.read_bytes()) for file in files}
        self._lines.add({"batch": batch, "files": facts}, sync=True)
        self.done[batch] = facts

    def _whole(self, line: Line) -> bool:
        """Whether all files of a batch are what they were."""
        try:
            names = {str(name): dict(fact) for name, fact in line["files"].items()}
            int(line["batch"])
        except (KeyError, TypeError, ValueError, AttributeError):
            return False
        for name, fact in names.items():
            file = self.folder / name
            try:
                problem = "" if _fact(file.read_bytes()) == fact else "is not what was written"
            except OSError as error:
                problem = f"cannot be read ({error.strerror})"
            if problem:
                self.passed_over.append(f"{file}: {problem}; its batch is drawn again.")
                return False
        return True


def _fact(data: bytes) -> dict[str, Any]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _check_empty(folder: Path) -> None:
    named = (folder / name for name in (RECORD, DONE, MANIFEST, CAPTIONS))
    there = [file for file in (*named, *folder.glob("[0-9]*.png"), *folder.glob("[0-9]*.npy")) if file.exists()]
    if there:
        problem = f"holds {there[0].name}, which is of another run or of none."
        raise RunError(str(folder), problem, "Choose another --out, or remove it.")


def _check_same(folder: Path, before: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    for key in facts.keys() - set(AROUND):
        if before.get(key) != facts[key]:
            shown = "" if isinstance(facts[key], dict) else f" ({before.get(key)}, not {facts[key]})"
            problem = f"holds samples that were drawn with another {key}{shown}."
            raise RunError(str(folder), problem, "Give the command as it was, or choose another --out.")
