"""Stopping by Ctrl-C or by the system: the work at hand is finished and kept first; a second signal ends it at once."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self, final

from dynaxx.errors import StoppedError

SIGNALS = (signal.SIGINT, signal.SIGTERM)
AT_ONCE_S = 0.2
"""Signals that come within this time are one: a supervisor and a launcher may both pass the same one on."""


@final
class Stop:
    """Inside `with`, SIGINT and SIGTERM only set `asked`; outside the main thread signals are left alone."""

    def __init__(self) -> None:
        self.asked: signal.Signals | None = None
        self._at = 0.0
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {kind: signal.signal(kind, self._note) for kind in SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._restore()

    def error(self, where: str, asked: signal.Signals) -> StoppedError:
        """What to raise after saving; it says how long that took since the signal."""
        after = f", {time.monotonic() - self._at:.1f} s after the signal" if self._at else ""
        return StoppedError(where, f"stopped by {asked.name}; all is saved{after}.", asked)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked is None:
            self.asked, self._at = signal.Signals(number), time.monotonic()
        elif time.monotonic() - self._at > AT_ONCE_S:
            self._restore()
            signal.raise_signal(number)

    def _restore(self) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)
        self._before = {}
