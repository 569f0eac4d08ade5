"""The folder that a tuning writes to: what lies there must be a former result for the very same cascade."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import UsageError
from dynaxx.evolve.changed import placed
from dynaxx.lens.fingerprint import digest_of, fingerprint
from dynaxx.spec.files import dump

FILE, FIGURES, PAGE, KEPT = "cascade.yaml", "tuned.json", "index.html", "runs"
FIX = "Name another folder (--out), or move it away."


def check_apart(run: str, out: Path) -> None:
    """See that the cascade that is tuned does not lie where its result would.

    Raises:
        UsageError: where it does.
    """
    place = (out / FILE).resolve()
    if place.exists() and place in (Path(run).resolve(), (Path(run) / FILE).resolve()):
        raise UsageError("--out", f"{place} would be overwritten by its own result.", "Name another folder (--out).")


def check_former(cascade: Cascade, out: Path) -> bool:
    """Whether a former result of the same cascade lies there.

    Raises:
        UsageError: where another cascade's does, or something that no tuning wrote.
    """
    former, file = _figures(out), out / FILE
    theirs = [out / name for name in (FILE, PAGE) if (out / name).exists()]
    if former is None and theirs:
        raise UsageError("--out", f"{theirs[0]} was not written by dynaxx tune.", FIX)
    if former is None:
        return False
    if former.get("cascade_digest") != identity(cascade, out):
        told = f"{former.get('name')} from {former.get('from')}"
        problem = f"{out} holds the result for another cascade, or for this one as it was before a change ({told})."
        raise UsageError("--out", problem, FIX)
    if not set(contents(file)) <= set(former.get("file_digests", ())):
        raise UsageError("--out", f"{file} was changed since dynaxx tune wrote it.", FIX)
    return file.exists()


def identity(cascade: Cascade, out: Path) -> str:
    """Whose result it is: file, weights, and where they lie seen from the folder."""
    prints = {name: fingerprint(stage) for name, stage in cascade.stages.items()}
    return digest_of([], dump(placed(cascade.spec, cascade.root, out / FILE)), sorted(prints.items()))


def contents(file: Path) -> list[str]:
    """The digest of a file's text; none where there is no file."""
    return [digest_of([], file.read_text("utf-8", errors="replace"))] if file.exists() else []


def _figures(out: Path) -> Mapping[str, Any] | None:
    """What the former tuning wrote; None where there was none."""
    try:
        found = json.loads((out / FIGURES).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
