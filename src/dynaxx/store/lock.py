"""One writer per folder: a lock that the system lets go of when its process ends, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

from dynaxx.errors import RunError
from dynaxx.store.atomic import WAYS_OUT, make_folder

HELD_AT = 1 << 20
"""The byte that is locked on Windows, away from those that name the holder, which can then be read."""


@final
@dataclass(frozen=True)
class Lock:
    """A lock file that is held, and the folder that it stands for."""

    folder: Path
    path: Path
    file: BinaryIO

    def check(self) -> None:
        """See that the folder is still the one that was locked.

        Raises:
            RunError: where it was moved or removed meanwhile.
        """
        held = os.fstat(self.file.fileno())
        try:
            found = os.stat(self.path)
        except OSError:
            found = None
        if found is None or (found.st_ino, found.st_dev) != (held.st_ino, held.st_dev):
            problem = "was moved or removed while this process wrote to it."
            raise RunError(str(self.folder), problem, "Put it back as it was, and give the same command again.")


@contextmanager
def locked(path: Path, *, folder: Path, what: str) -> Iterator[Lock]:
    """Hold the lock file `path`, which names this process, inside `with`; `what` writes into the folder: "training".

    Raises:
        RunError: naming the process that holds it.
    """
    with _opened(path) as file:
        if not _taken(file):
            file.seek(0)
            holder = file.read(32).decode("ascii", "replace").strip() or "unknown"
            problem = f"another {what} is writing here (process {holder})."
            raise RunError(str(folder), problem, "Wait for its end, or choose another --out.")
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield Lock(folder, path, file)


def _opened(path: Path) -> BinaryIO:
    try:
        make_folder(path.parent)
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
