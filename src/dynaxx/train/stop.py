"""Stopping by Ctrl-C or by the system: the step is finished and saved first; a second signal ends it at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self, final

from dynaxx.errors import StoppedError

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@final
class Stop:
    """Inside `with`, SIGINT and SIGTERM only set `asked`; outside the main thread signals are left alone."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {kind: signal.signal(kind, self._note) for kind in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._restore()

    def error(self, where: str) -> StoppedError:
        """What to raise after saving."""
        assert self.asked is not None
        return StoppedError(where, f"stopped by {self.asked.name}; all is saved.", self.asked)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)
        self._before = {}
