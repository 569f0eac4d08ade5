"""What tuning found as one page: before and after, the front of score and work, and each stage's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dynaxx.share.shelf import shelf

GIGA = 1e9
ALL = "together"


def render_tuning(found: Mapping[str, Any]) -> str:
    """The page as one self-contained HTML document, from `tuned.json`'s data."""
    unit = "GFLOP" if found["unit"] == "FLOPs" else found["unit"]
    shown = [_curve(part, found, unit) for part in sorted(found["curves"], key=lambda part: part != ALL)]
    return shelf().get_template("tuning.html").render(found=found, unit=unit, per=_per(found), curves=shown)


def _per(found: Mapping[str, Any]) -> float:
    return GIGA if found["unit"] == "FLOPs" else 1.0


def _curve(part: str, found: Mapping[str, Any], unit: str) -> dict[str, Any]:
    """The front of a part, with intervals, what is run now and what was chosen."""
    rows, per = found["curves"][part], _per(found)
    best = [row for row in rows if row["front"]]
    now = next(row for row in rows if row["now"])
    marks = [{"x": now["cost"] / per, "label": "now" if part == ALL else "held against", "role": "now"}]
    if part == ALL and found["changes"]:
        marks.append({"x": found["cost"]["after"] / per, "label": "chosen", "role": "minimum"})
    title = "All stages together" if part == ALL else f"{part}, on its own grid"
    return {
        "title": title, "says": "Score against work; the shaded band is the 95% interval of each score by itself.",
        "x": {"label": "a sample's work" if part == ALL else "the stage's work", "unit": unit},
        "y": {"label": "score", "unit": ""}, "series": [_series("front", best, per)], "marks": marks,
    }  # fmt: skip


def _series(name: str, rows: Sequence[Mapping[str, Any]], per: float) -> dict[str, Any]:
    return {
        "name": name, "role": "measured", "x": [row["cost"] / per for row in rows],
        "y": [row["score"]["value"] for row in rows], "low": [row["score"]["low"] for row in rows],
        "high": [row["score"]["high"] for row in rows],
    }  # fmt: skip
