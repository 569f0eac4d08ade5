from __future__ import annotations

import pytest

from dynaxx.data.report import DataReport, Notice, Skipped, refuse
from dynaxx.errors import DataError


def test_alike_lines_are_joined() -> None:
    skipped = tuple(Skipped(f"{i}.png", "is empty (0 bytes).", "Copy it again.") for i in range(1000))
    report = DataReport(5, (Notice("", "general."), Notice("a.png", "turned."), Notice("b.png", "turned.")), skipped)
    assert str(report).splitlines() == [
        "5 samples used, 1000 skipped",
        "  skipped 0.png (and 999 more): is empty (0 bytes). Copy it again.",
        "  notice general.",
        "  notice a.png (and 1 more): turned.",
    ]


def test_many_kinds_are_cut_short() -> None:
    skipped = tuple(Skipped(f"{i}.png", f"is bad in way {i}.") for i in range(100))
    lines = str(DataReport(1, (), skipped)).splitlines()
    assert len(lines) == 10
    assert lines[-1] == "  skipped ... and 92 more files"


def test_refuse_raises_only_where_something_is_bad() -> None:
    refuse("data", [])
    with pytest.raises(DataError, match="(?s)data: 1 of its files cannot be used:.*a.png: is bad. Mend it."):
        refuse("data", [Skipped("a.png", "is bad.", "Mend it.")])
