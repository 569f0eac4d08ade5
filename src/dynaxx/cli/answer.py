"""What a command answers with: data for machines, and the same for readers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Answer:
    """`data` is printed under `--json` as one object; otherwise `show` writes; `exit_code` says how it is."""

    data: dict[str, Any]
    show: Callable[[Console], None]
    exit_code: int = 0


def notes() -> Console:
    """The console for all that is not the answer: progress and remarks, on stderr."""
    from rich.console import Console

    return Console(file=sys.stderr)


def pages() -> Console:
    """The console for answers; wide where nobody's terminal says otherwise, so that files get whole lines."""
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False)
    return console if console.is_terminal else Console(file=sys.stdout, highlight=False, width=160)
