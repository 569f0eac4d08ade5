"""What is wrong with a cascade: a place, a value, a way out; and how several become one error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from dynaxx.errors import SpecError


@dataclass(frozen=True)
class Problem:
    """One thing that cannot be meant: `where: what fix`."""

    where: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what} {self.fix}".strip()


class Violations(ValueError):
    """The problems that a validator found; `spec.explain` turns them into one SpecError."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def error_of(problems: Sequence[Problem]) -> SpecError:
    """One SpecError for all problems, a line for each; its `where` is the place of the first."""
    first = problems[0]
    if len(problems) == 1:
        return SpecError(first.where, first.what, first.fix)
    error = SpecError("", "\n".join(map(str, problems)))
    error.where = first.where
    return error


def place(index: int, name: object, *keys: str | int) -> str:
    """The path of a field of a stage, with the stage's name: `stages.2 (refine).inputs.low`."""
    head = f"stages.{index} ({name})" if isinstance(name, str) else f"stages.{index}"
    return ".".join([head, *map(str, keys)])


def listed(words: Iterable[str]) -> str:
    """Words as a reader's list: `base, bridge, refine`."""
    return ", ".join(words)


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """`Did you mean 'x'? ` where something known is close to the word, else nothing."""
    close = get_close_matches(str(word), list(known), n=1)
    return f"Did you mean {close[0]!r}? " if close else ""
