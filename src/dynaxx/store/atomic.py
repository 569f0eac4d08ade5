"""Atomic writes: a file is the old one or the new one, whole, whatever happens in between."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from dynaxx.errors import RunError

WAYS_OUT = {
    errno.EACCES: "Choose a folder you may write to.",
    errno.EPERM: "Choose a folder you may write to.",
    errno.EROFS: "The disk is read-only: choose a folder elsewhere.",
    errno.ENOSPC: "The disk is full: free some space, or choose a folder elsewhere.",
    errno.EDQUOT: "Your quota is used up: free some space, or choose a folder elsewhere.",
    errno.ENOENT: "Its folder is not there (any more): make it first.",
    errno.EEXIST: "A file of that name is there: choose another name, or remove it.",
    errno.ENOTDIR: "A part of its path is a file: choose another name.",
    errno.EISDIR: "A folder of that name is there: choose another name, or remove it.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


BEGUN, PART = ".dynaxx-", ".part"
"""How files that are being written are called."""


def write_text(path: Path | str, text: str) -> None:
    """Write UTF-8 text to `path`, whole or not at all; RunError as in `write_bytes`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path | str, data: bytes | memoryview) -> None:
    """Write `data` to `path`, whole or not at all, and on disk when this returns.

    A temporary file beside it is written and flushed to disk, renamed over `path`, and the folder flushed. What a link
    points at is replaced, not the link. RunError names the path and the way out where the folder is missing,
    read-only or full; the old file is then untouched and nothing is left behind.
    """
    target = Path(os.path.realpath(path))
    try:
        _replace(target, data)
        _flush_folder(target.parent)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fix = WAYS_OUT.get(error.errno or 0, "")
        raise RunError(str(path), f"cannot be written: {reason}.", fix) from error


def sweep(folder: Path) -> None:
    """Remove what killed processes had begun to write below a folder that is ours alone."""
    for left in folder.rglob(f"{BEGUN}*{PART}"):
        left.unlink(missing_ok=True)


def make_folder(folder: Path) -> Path:
    """Make a folder to write to, parents too, each of them on disk when this returns.

    Raises:
        RunError: where it cannot be made.
    """
    try:
        missing = [place for place in (folder, *folder.parents) if not place.is_dir()]
        for place in reversed(missing):
            place.mkdir(exist_ok=True)
            _flush_folder(place.parent)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunError(str(folder), f"cannot be made: {reason}.", WAYS_OUT.get(error.errno or 0, "")) from error
    return folder


def publish(aside: Path, target: Path) -> None:
    """Give a folder that was written aside its name, durably; a folder of that name is removed only afterwards.

    Raises:
        RunError: where it cannot be renamed.
    """
    stale = target.with_name(f".{target.name}.old")
    try:
        if target.exists():
            shutil.rmtree(stale, ignore_errors=True)
            target.rename(stale)
        _flush_folder(aside)
        aside.rename(target)
        _flush_folder(target.parent)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fix = WAYS_OUT.get(error.errno or 0, "")
        raise RunError(str(target), f"cannot be put in place: {reason}.", fix) from error
    shutil.rmtree(stale, ignore_errors=True)


def _replace(target: Path, data: bytes | memoryview) -> None:
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=BEGUN, suffix=PART)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if hasattr(os, "fchmod"):  # not on Windows before Python 3.13
                os.fchmod(file.fileno(), _mode(target))
            os.fsync(file.fileno())
        os.replace(name, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def _mode(target: Path) -> int:
    """The permissions of the file that is replaced, or else those of an ordinary new file."""
    try:
        return target.stat().st_mode & 0o777
    except FileNotFoundError:
        return 0o666 & ~_UMASK


def _read_umask() -> int:
    mask = os.umask(0o022)  # it can only be read by setting it; once, at import, before there are threads
    os.umask(mask)
    return mask


_UMASK = _read_umask()


def _flush_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system can open a folder."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks cannot flush a folder
            raise
    finally:
        os.close(handle)
