"""Whether a path is a file that can be read at all, before any library opens it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from dynaxx.errors import DataError


def require_file(path: Path) -> int:
    """The size in bytes of a readable, non-empty, regular file; DataError names what else it is."""
    where = str(path)
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise DataError(where, "is a folder, not a file.", "Rename it or take its ending away.")
        if not stat.S_ISREG(status.st_mode):
            raise DataError(where, "is a device or a pipe, not a file.", "Put the file itself here.")
        with path.open("rb"):
            pass
    except FileNotFoundError as error:
        if path.is_symlink():
            raise DataError(where, "is a link to a file that is not there.", "Put the file itself here.") from error
        raise DataError(where, "is not there.", "Check the path and its spelling.") from error
    except OSError as error:
        raise _closed(where, error) from error
    if status.st_size == 0:
        raise DataError(where, "is empty (0 bytes).", "Copy or download it again.")
    return status.st_size


def require_folder(path: Path) -> Path:
    """The folder itself; DataError where it is missing or a file."""
    try:
        os.scandir(path).close()
    except (FileNotFoundError, NotADirectoryError) as error:
        problem = "is a file, not a folder." if os.path.isfile(path) else "there is no folder here."
        raise DataError(str(path), problem, "Set `path` to the folder that holds the data.") from error
    except OSError as error:
        raise _closed(str(path), error) from error
    return path


def listed(root: Path, endings: Iterable[str]) -> list[str]:
    """Every path under `root` with one of the endings, relative with `/`, sorted; hidden ones are left out."""
    wanted = frozenset(endings)
    names = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix.lower() in wanted)
    return sorted(name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/")))


def _closed(where: str, error: OSError) -> DataError:
    reason = (error.strerror or str(error)).lower()
    return DataError(where, f"cannot be opened: {reason}.", "Check its path and permissions.")
