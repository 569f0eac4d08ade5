"""Ctrl-C while libraries load: answered in one line, at once, with the standard library alone."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


@contextmanager
def loading() -> Iterator[None]:
    """While libraries load, Ctrl-C ends the process at once: raised among their imports it may abort or be lost."""
    if not in_charge():
        yield
        return
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def in_charge() -> bool:
    """Whether Ctrl-C is ours to answer: on the main thread, and not ignored by whoever started us."""
    main_thread = threading.current_thread() is threading.main_thread()
    return main_thread and signal.getsignal(signal.SIGINT) in (signal.default_int_handler, leave)


def leave(number: int = signal.SIGINT, frame: FrameType | None = None) -> NoReturn:
    """Say that we were interrupted, in one line and under `--json` in one object, and be gone."""
    os.write(2, b"dynaxx: interrupted\n")
    if "--json" in sys.argv:
        said = b'{"error": {"kind": "Interrupted", "message": "interrupted", "exit_code": 130}}\n'
        os.write(1, said)
    os._exit(INTERRUPTED)
