"""One training per folder: a lock that the system lets go of when its process ends, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dynaxx.errors import RunError
from dynaxx.store.atomic import WAYS_OUT

HELD_AT = 1 << 20
"""The byte that is locked on Windows, away from those that name the holder, which can then be read."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which names this process, inside `with`.

    Raises:
        RunError: naming the process that holds it.
    """
    with _opened(path) as file:
        if not _taken(file):
            file.seek(0)
            holder = file.read(32).decode("ascii", "replace").strip() or "unknown"
            problem = f"another training is writing here (process {holder})."
            raise RunError(str(path.parent.parent), problem, "Wait for its end, or choose another --out.")
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield


def _opened(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("a+b")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunError(str(path), f"cannot be written: {reason}.", WAYS_OUT.get(error.errno or 0, "")) from error


def _taken(file: BinaryIO) -> bool:
    """Whether the lock is ours now; also where the disk knows no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(HELD_AT)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return not isinstance(error, BlockingIOError | PermissionError)
    return True
