"""Checkpoints written in the background: the state is copied in memory, and one writer at a time brings it to disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self, final

from torch import Tensor

from dynaxx.train.checkpoint import write_checkpoint
from dynaxx.train.snapshot import Snapshot


@final
@dataclass(frozen=True)
class Saved:
    """A checkpoint that is on disk: `stall_s` is how long training waited for it, `write_s` how long writing took."""

    path: Path
    step: int
    stall_s: float
    write_s: float


@final
class Writer:
    """Writes checkpoints into a folder, which is there, while training goes on; leaving `with` waits for the last.

    `first` is called before a checkpoint is written, and again where that failed; `done` after it; both on the writer's
    thread.
    What goes wrong on that thread is raised by the next `save` or `wait`. Ctrl-C waits for nothing.
    """

    def __init__(
        self,
        folder: Path,
        *,
        first: Callable[[], None] = lambda: None,
        done: Callable[[Saved], None] = lambda saved: None,
    ) -> None:
        self._folder, self._first, self._done = folder, first, done
        self._snapshot = Snapshot()
        self._thread: Thread | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is None:
            self.wait()
        elif isinstance(error, Exception) and self._thread is not None:
            self._thread.join()  # what it was about to keep is worth keeping; what failed here is told already

    def save(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Copy the state, and have it written; an earlier checkpoint is waited for.

        Where that one could not be written, this one, which holds all that it held, is tried at once and waited for.

        Raises:
            RunError: where neither could be written, for the reason of the first.
        """
        began = time.perf_counter()
        failed = self._joined()
        files = self._snapshot.take(tensors)
        stall_s = time.perf_counter() - began
        self._thread = Thread(target=self._write, args=(step, files, dict(state), stall_s), daemon=True)
        self._thread.start()
        if failed is not None and self._joined() is not None:
            raise failed

    def wait(self) -> None:
        """Until what was given is on disk.

        Raises:
            RunError: where it could not be written.
        """
        if (error := self._joined()) is not None:
            raise error

    def _joined(self) -> BaseException | None:
        """What went wrong on the writer's thread, once it is done."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        return error

    def _write(self, step: int, files: Mapping[str, memoryview], state: Mapping[str, Any], stall_s: float) -> None:
        began = time.perf_counter()
        try:
            self._first()
            path = write_checkpoint(self._folder, step, files, state)
            self._done(Saved(path, step, stall_s, time.perf_counter() - began))
        except BaseException as error:  # raised on the training's own thread
            self._error = self._reason() or error

    def _reason(self) -> BaseException | None:
        """Why writing failed, where it would not even begin now: the folder is not there any more."""
        try:
            self._first()
        except BaseException as error:
            return error
        return None
