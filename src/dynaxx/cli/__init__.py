"""The command line: one thin file per command, torch imported only where a command needs it."""

from __future__ import annotations

from dynaxx.cli.guard import main, run

__all__ = ["main", "run"]
