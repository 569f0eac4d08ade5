"""The way in: it imports the standard library alone, so that Ctrl-C is answered from the first moment on."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from dynaxx.cli.interrupt import in_charge, leave, loading


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
    gc.freeze()  # no search for garbage on the way out: with torch and diffusers loaded it takes a second
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command; give its exit code: 0 done, 1 could not, 2 wrong usage or bad spec, 130 interrupted."""
    from dynaxx.cli.allocator import keep_freed_memory
    from dynaxx.cli.guard import run as guarded
    from dynaxx.signal.threads import give_way_soon

    give_way_soon()
    keep_freed_memory()
    return guarded(arguments)
