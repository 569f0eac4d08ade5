"""What was used, noticed and skipped when data was opened; and what refuses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from dynaxx.errors import DataError

SHOWN = 8


@final
@dataclass(frozen=True)
class Notice:
    """Something about a file that was used all the same; `file` is empty where it concerns the whole."""

    file: str
    text: str


@final
@dataclass(frozen=True)
class Skipped:
    """A file that was not used, why, and the way out."""

    file: str
    reason: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.file}: {self.reason} {self.fix}".strip()


@final
@dataclass(frozen=True)
class DataReport:
    """How many samples are used, and what a reader should know about the rest.

    >>> print(DataReport(2, skipped=(Skipped("a.png", "is empty.", "Remove it."),)))
    2 samples used, 1 skipped
      skipped a.png: is empty. Remove it.
    """

    used: int
    notices: tuple[Notice, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    def __str__(self) -> str:
        skipped = f", {len(self.skipped)} skipped" if self.skipped else ""
        lines = [f"{self.used} sample{'s' if self.used != 1 else ''} used{skipped}"]
        lines += [f"  skipped {line}" for line in _grouped([(s.file, f"{s.reason} {s.fix}") for s in self.skipped])]
        lines += [f"  notice {line}" for line in _grouped([(n.file, n.text) for n in self.notices])]
        return "\n".join(lines)


def refuse(place: str, skipped: Sequence[Skipped]) -> None:
    """Raise a DataError that lists the files which cannot be used, if there are any."""
    if skipped:
        listed = "\n".join(f"  {line}" for line in _grouped([(s.file, f"{s.reason} {s.fix}") for s in skipped]))
        raise DataError(
            place,
            f"{len(skipped)} of its files cannot be used:\n{listed}\n",
            "Mend or remove them, or set on_bad: skip.",
        )


def _grouped(entries: Sequence[tuple[str, str]]) -> list[str]:
    """One line per text, with the first file and how many more; the rarest kinds beyond the first few are counted."""
    files: dict[str, list[str]] = {}
    for file, text in entries:
        files.setdefault(text.strip(), []).append(file)
    lines = []
    for text, named in list(files.items())[:SHOWN]:
        more = f" (and {len(named) - 1} more)" if len(named) > 1 else ""
        lines.append(f"{named[0]}{more}: {text}" if named[0] else text)
    if len(files) > SHOWN:
        lines.append(f"... and {sum(len(named) for named in list(files.values())[SHOWN:])} more files")
    return lines
