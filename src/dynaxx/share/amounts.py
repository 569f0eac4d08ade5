"""Seconds, bytes and large counts, as readers of a plan's pages are told them."""

from __future__ import annotations

from collections.abc import Mapping

from dynaxx.share.numbers import figure
from dynaxx.share.page import duration

GIB = 2**30
UNITS = ((GIB, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
COUNTS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SPACE = "\u00a0"


def between(told: Mapping[str, float]) -> str:
    """An interval of seconds."""
    return f"{seconds(told['low'])} to {seconds(told['high'])}"


def seconds(took_s: float) -> str:
    """Seconds up to two minutes, then minutes, hours, days."""
    for size, unit in ((172800.0, "d"), (7200.0, "h"), (120.0, "min")):
        if took_s >= size:
            per = {"d": 86400.0, "h": 3600.0, "min": 60.0}[unit]
            return f"{figure(took_s / per)}{SPACE}{unit}"
    return duration(took_s).replace(" ", SPACE)


def size_of(number: float) -> str:
    """Bytes."""
    said = next((f"{figure(number / size)}{SPACE}{unit}" for size, unit in UNITS if number >= size), None)
    return said or f"{number:.0f}{SPACE}B"


def count_of(number: float) -> str:
    """A count, with the letter of its thousands."""
    said = next((f"{figure(number / size)}{unit}" for size, unit in COUNTS if number >= size), None)
    return said or f"{number:.0f}"
