"""Progress on stderr while a cascade runs or is trained."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

OnStep = Callable[[str, Any], None]
EVERY_S = 30.0


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


@contextmanager
def samples_bar() -> Iterator[Callable[[Any], None]]:
    """A callback for batches that are drawn: a line on stderr every half minute, and for the first and the last."""
    due = [0.0]

    def on_drawn(drawn: Any) -> None:
        if drawn.done == drawn.total or time.monotonic() >= due[0]:
            due[0] = time.monotonic() + EVERY_S
            note(f"{drawn.done} of {drawn.total} samples")

    yield on_drawn


def note(text: str) -> None:
    """A remark on stderr."""
    from dynaxx.cli.answer import notes

    notes().print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def training_bar() -> Iterator[Callable[[Any], None]]:
    """A callback for training steps: a bar on a terminal, elsewhere a line on stderr every half minute."""
    from dynaxx.cli.answer import notes

    if not sys.stderr.isatty():
        yield _Lines().show
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:>10}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[facts]}"), console=notes(), transient=True) as progress:
        task = progress.add_task("", total=None, facts="")

        def on_step(step: Any) -> None:
            progress.update(task, description=step.stage, total=step.steps, completed=step.step, facts=_facts(step))

        yield on_step


class _Lines:
    """A line for the first step, the last, and one every `EVERY_S` seconds."""

    def __init__(self) -> None:
        self._due = 0.0

    def show(self, step: Any) -> None:
        """Take in a step."""
        if step.step in (1, step.steps) or time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY_S
            left = f"{step.left_s / 60:.0f} min left"
            print(f"{step.stage:>10}  {step.step}/{step.steps}  {_facts(step)}  {left}", file=sys.stderr)


def _facts(step: Any) -> str:
    levels = " ".join(f"{name} {loss:.3f}" for name, loss in step.by_level.items())
    skipped = f"  {step.skipped} skipped" if step.skipped else ""
    return f"loss {step.loss:.4f} ({levels})  {step.images_per_s:.0f} images/s{skipped}"
