"""The command line: one thin file per command, and nothing imported before it is needed."""

from __future__ import annotations

from dynaxx.cli.start import main, run

__all__ = ["main", "run"]
