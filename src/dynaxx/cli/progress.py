"""A progress bar on stderr while a cascade runs, where a terminal watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

OnStep = Callable[[str, Any], None]


@contextmanager
def bar() -> Iterator[OnStep | None]:
    """A callback `(node, step)` that moves the bar; None where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from dynaxx.cli.answer import notes

    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes(), transient=True) as progress:
        task = progress.add_task("", total=None)

        def on_step(node: str, step: Any) -> None:
            progress.update(task, description=node, total=step.count, completed=step.index + 1)

        yield on_step
