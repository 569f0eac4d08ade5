"""Opens one `.npy` or `.npz` file safely: numbers only, never pickled objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dynaxx.data.file import require_file
from dynaxx.errors import DataError

Array = NDArray[np.generic]
ENDINGS = (".npy", ".npz")


def names_in(path: Path) -> tuple[str, ...]:
    """The arrays of an `.npz` file, sorted; one without a name for an `.npy` file."""
    require_file(path)
    if path.suffix.lower() == ".npy":
        return ("",)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return tuple(sorted(archive.files))
    except Exception as error:  # zipfile and numpy raise OSError, ValueError, BadZipFile and more
        raise _damaged(str(path), error) from error


def read_array(path: Path, name: str = "") -> Array:
    """A real, finite, non-empty array of any numeric dtype; DataError names the file and what is wrong."""
    where = f"{path}:{name}" if name else str(path)
    require_file(path)
    try:
        with path.open("rb") as file:  # opened here, so that it is closed whatever numpy makes of it
            found = np.load(file, allow_pickle=False)
            array = np.asarray(found[name] if name else found)
    except Exception as error:  # as above, and ValueError for pickled objects
        raise _damaged(where, error) from error
    _check(array, where)
    return array


def _check(array: Array, where: str) -> None:
    if np.iscomplexobj(array):
        raise DataError(where, "holds complex numbers.", "Save real and imaginary part as two channels.")
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == np.bool_):
        raise DataError(where, f"holds {array.dtype}, not numbers.", "Save it as a plain array of numbers.")
    if array.size == 0:
        raise DataError(where, f"has no elements (shape {array.shape}).", "Remove it, or save it again.")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise DataError(where, f"holds NaN or infinite values ({bad} of {array.size}).", "Fill them, or leave it out.")


def _damaged(where: str, error: Exception) -> DataError:
    text = str(error)
    if "allow_pickle" in text or "pickled" in text:
        return DataError(where, "is no plain array (Python objects are never loaded).", "Save it as numbers.")
    return DataError(
        where,
        f"is damaged or no numpy file ({text.splitlines()[0] if text else type(error).__name__}).",
        "Save it again with numpy.save.",
    )
