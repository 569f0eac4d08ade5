"""A table on the console: the one form that commands show rows in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def table(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under their heads, without lines."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(*heads, box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        shown.add_row(*map(Text, row))
    console.print(shown)
