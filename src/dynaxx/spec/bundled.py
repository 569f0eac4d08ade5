"""Where a cascade's file is: in a folder, at a path, or among those that travel with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from dynaxx.errors import SpecError
from dynaxx.spec.files import FILE_NAME


def bundled() -> dict[str, Path]:
    """The cascades that travel with the package, by name."""
    folder = Path(str(files("dynaxx"))) / "bundled"
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def resolve(path: str | Path) -> Path:
    """The cascade file that a folder, a file or a bundled name stands for.

    Raises:
        SpecError: if it is none of them.
    """
    found = Path(path)
    if found.is_dir():
        found = found / FILE_NAME
    if found.is_file():
        return found
    if str(path) in bundled():
        return bundled()[str(path)]
    fix = f"Name a cascade folder, a cascade file, or a bundled cascade: {', '.join(bundled())}."
    raise SpecError(str(path), "no cascade is there.", fix)
