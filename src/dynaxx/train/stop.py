"""Stopping by Ctrl-C or by the system: the step is finished and saved first; a second signal ends it at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self, final

import torch

from dynaxx.errors import StoppedError
from dynaxx.train.machine import Machine

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

    def anywhere(self, machine: Machine) -> signal.Signals | None:
        """What any process was asked, so that all stop after the same step, for the same reason."""
        if machine.count == 1:
            return self.asked
        number = machine.largest(torch.tensor(int(self.asked or 0), device=machine.device))
        return signal.Signals(int(number)) if number else None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked = signal.Signals(number)
        self._restore()

    def _restore(self) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)
        self._before = {}


def stopped(where: str, asked: signal.Signals) -> StoppedError:
    """What to raise after saving."""
    return StoppedError(where, f"stopped by {asked.name}; all is saved.", asked)
