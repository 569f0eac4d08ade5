"""The folder that a run writes to: can it be, and what did a former run leave there?"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from dynaxx.errors import RunError

RECORD = "run.json"
ENDINGS = (".png", ".npy")


def check_writable(folder: Path) -> None:
    """See, before a long run, that files can be written to a folder or that it can be made; nothing is left behind.

    Raises:
        RunError: where they cannot.
    """
    there = next((place for place in (folder, *folder.absolute().parents) if os.path.lexists(place)), folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise _closed(folder, error) from error


def make_folder(folder: Path) -> Path:
    """Make a folder to write to, parents too.

    Raises:
        RunError: where it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _closed(folder, error) from error
    return folder


def clear(folder: Path, *, spare: Collection[Path] = ()) -> None:
    """Remove what the `run.json` in the folder lists, that file, and folders left empty; nothing else.

    Raises:
        RunError: where a listed file cannot be removed.
    """
    kept = {path.resolve() for path in spare}
    former = [path for path in _listed(folder) if path.resolve() not in kept]
    try:
        for path in former:
            path.unlink(missing_ok=True)
            with suppress(OSError):  # the folder is not empty, or is the folder itself
                for parent in [place for place in path.parents if place != folder and folder in place.parents]:
                    parent.rmdir()
        if former:
            (folder / RECORD).unlink(missing_ok=True)
    except OSError as error:
        raise _closed(folder, error) from error


def _listed(folder: Path) -> list[Path]:
    """The signals below the folder that its record names; none where the record is missing or not ours."""
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        inside = [Path(name).relative_to(record["folder"]) for name in (*record["files"], *record["stage_files"])]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    paths = [folder / path for path in inside if path.suffix in ENDINGS]
    root = folder.resolve()
    return [path for path in paths if path.parent.resolve().is_relative_to(root)]


def _closed(folder: Path, error: OSError) -> RunError:
    reason = (error.strerror or str(error)).lower()
    return RunError(str(folder), f"cannot be written to: {reason}.", "Choose another folder to write to.")
