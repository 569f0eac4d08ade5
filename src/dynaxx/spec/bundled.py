"""Where a cascade's file is: in a folder, at a path, or among those that travel with the package."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from dynaxx.errors import SpecError
from dynaxx.spec.problem import did_you_mean

FILE_NAME = "cascade.yaml"
"""What the file is called inside a cascade's folder."""


def bundled() -> dict[str, Path]:
    """The cascades that travel with the package, by name: files, and folders with weights."""
    place = Path(str(files("dynaxx"))) / "bundled"
    folders = {file.parent.name: file for file in sorted(place.glob(f"*/{FILE_NAME}"))}
    return {file.stem: file for file in sorted(place.glob("*.yaml"))} | folders


def resolve(path: str | Path) -> Path:
    """The cascade file that a folder, a file or a bundled name stands for.

    Raises:
        SpecError: if it is none of them.
    """
    try:
        found = _inside(Path(path))
    except OSError as error:
        fix = "Check the path and its permissions."
        raise SpecError(str(path), f"cannot be read ({error.strerror}).", fix) from None
    if found is not None:
        return found
    if str(path) in bundled():
        return bundled()[str(path)]
    near = did_you_mean(path, bundled())
    fix = f"{near}Name a cascade file, a folder that holds {FILE_NAME}, or a bundled cascade: {', '.join(bundled())}."
    raise SpecError(str(path), "no cascade is there.", fix)


def _inside(path: Path) -> Path | None:
    file = path / FILE_NAME if path.is_dir() else path
    return file if file.is_file() else None
