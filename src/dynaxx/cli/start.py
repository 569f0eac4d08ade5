"""The way in: it imports the standard library alone, so that Ctrl-C is answered from the first moment on."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


def main() -> NoReturn:
    """Run the command line of this process and exit."""
    try:
        with loading():
            import dynaxx.cli.app
            import dynaxx.cli.guard  # noqa: F401
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # in the few instructions between here and the frame around commands
        leave()
    if in_charge():
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is said; what is left is Python's own tidying up
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; give its exit code: 0 done, 1 could not, 2 wrong usage or bad spec, 130 interrupted."""
    from dynaxx.cli.guard import run as guarded

    return guarded(arguments)


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
