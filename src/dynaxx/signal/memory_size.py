"""Sizes of memory as people say them: `8GiB`, `500MB`, `1000B`, or a number of bytes."""

from __future__ import annotations

import math
import re

from dynaxx.errors import UsageError

WRITTEN = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?(?:([kMGT])(i?))?B?")


def bytes_of(said: str | float, *, place: str) -> int:
    """A size of memory in bytes: k, M, G and T are powers of 1000, with an `i` of 1024.

    Raises:
        UsageError: if it is no size, less than a byte, or a text without a unit; `place` is where it was said.
    """
    found = _read(said.strip()) if isinstance(said, str) else said
    if not isinstance(found, (int, float)) or not 1 <= found < math.inf:
        raise UsageError(place, f"{said!r} is no size.", "Write one such as 8GiB or 500MB.")
    if isinstance(said, str) and said.strip()[-1].isdigit():
        raise UsageError(place, f"{said!r} has no unit.", f"Write {said.strip()}GiB, or another: MiB, GB, B.")
    return int(found)


def _read(text: str) -> float | None:
    found = WRITTEN.fullmatch(text)
    if found is None:
        return None
    power = " kMGT".index(found[2]) if found[2] else 0
    return float(found[1]) * (1024 if found[3] else 1000) ** power
