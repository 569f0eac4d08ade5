"""Files of JSON lines that grow: a line is there whole, or dropped when the file is opened again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self, final

from dynaxx.errors import RunError
from dynaxx.store.atomic import WAYS_OUT, make_folder, write_bytes

Line = dict[str, Any]


def read_lines(path: Path) -> list[Line]:
    """The whole lines of a file that are JSON objects; damaged ones, as a last one that was cut short, are left out."""
    if not path.exists():
        return []
    found = (_read(line) for line in path.read_bytes().splitlines())
    return [line for line in found if line is not None]


@final
class Lines:
    """A file of lines, open for more; those that `keep` does not want are dropped on opening, as are damaged ones."""

    def __init__(self, path: Path, *, keep: Callable[[Line], bool] = lambda line: True) -> None:
        self.path, self._turn = path, Lock()
        try:
            make_folder(path.parent)
            write_bytes(path, b"".join(_written(line) for line in read_lines(path) if keep(line)))
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            raise self._closed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)

    def add(self, line: Mapping[str, Any], *, sync: bool = False) -> None:
        """Append a line, one thread at a time; with `sync` it is on disk when this returns.

        Raises:
            RunError: where it cannot be written, with the way out.
        """
        data = _written(line)
        try:
            with self._turn:
                while data:
                    data = data[os.write(self._file, data) :]
        except OSError as error:
            raise self._closed(error) from error
        if sync:
            self.sync()

    def sync(self) -> None:
        """Bring all that was added to disk."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise self._closed(error) from error

    def _closed(self, error: OSError) -> RunError:
        reason = (error.strerror or str(error)).lower()
        return RunError(str(self.path), f"cannot be written: {reason}.", WAYS_OUT.get(error.errno or 0, ""))


def _written(line: Mapping[str, Any]) -> bytes:
    return (json.dumps(line, ensure_ascii=False) + "\n").encode()


def _read(line: bytes) -> Line | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
