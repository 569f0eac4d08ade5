"""Curves as inline SVG: drawn by us, coloured by the page, readable on a phone, told to a screen reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from dynaxx.share.numbers import figure, interval
from dynaxx.share.ticks import FLAT, Axis

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 10, 24
ROW = 26
"""Height of a row in a plot by category."""
LABEL = 14
"""Height of a line of labels."""
DOTS = 40
"""Points up to which each has a dot that says its value."""
TELL = 3.0
"""Intervals are shown up to this many times the range of the values; beyond, they run off the plot."""


def plot(curve: Mapping[str, Any]) -> str:
    """One curve of the findings as an `<svg>` element; a category scale has a row per category."""
    height, parts = _by_category(curve) if by_category(curve) else _by_number(curve)
    title = f"<title>{escape(curve['title'])}</title>"
    body = "\n".join([title, *parts])
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" class="plot">\n{body}\n</svg>'


def by_category(curve: Mapping[str, Any]) -> bool:
    """Whether the curve has names along it, not numbers."""
    return bool(curve["x"].get("scale") == "category")


def colours(curve: Mapping[str, Any]) -> list[str]:
    """The classes that colour each series: by role, and where a role comes again, by turn."""
    taken: set[str] = set()
    classes = []
    for index, series in enumerate(curve["series"]):
        role = series.get("role", "other")
        classes.append(f"s-other s{index % 6}" if role == "other" or role in taken else f"s-{role}")
        taken.add(role)
    return classes


def marked(curve: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The marks for a legend, as (role, words); those of one label are said together."""
    said: dict[tuple[str, str], list[str]] = {}
    for mark in curve.get("marks") or []:
        said.setdefault((mark.get("role", "now"), mark["label"]), []).append(figure(mark["x"]) + _reach(mark))
    return [(role, f"{label} {' to '.join(places)}") for (role, label), places in said.items()]


def _reach(mark: Mapping[str, Any]) -> str:
    return f" ({interval({**mark, 'value': mark['x']})})" if mark.get("low") is not None else ""


def _by_number(curve: Mapping[str, Any]) -> tuple[int, list[str]]:
    across = Axis.over(_across(curve), log=curve["x"].get("scale") == "log")
    up = Axis.over(_heights(curve["series"]), log=curve["y"].get("scale") == "log")
    at = _Frame(across, up, TOP, HEIGHT - BOTTOM)
    parts = [
        *_lines(at),
        *_below(curve["x"], at),
        *(part for mark in curve.get("marks") or [] for part in _mark(mark, at)),
    ]
    for series, classes in zip(curve["series"], colours(curve), strict=True):
        parts += _series(series, classes, at)
    return HEIGHT, parts


class _Frame:
    """Where values stand in the picture."""

    def __init__(self, across: Axis, up: Axis, top: float, bottom: float) -> None:
        self.across, self.up, self.top, self.bottom = across, up, top, bottom

    def x(self, value: float) -> float:
        return round(LEFT + self.across.place(value) * (WIDTH - LEFT - RIGHT), 1)

    def y(self, value: float) -> float:
        return round(self.bottom - self.up.place(value) * (self.bottom - self.top), 1)


def _across(curve: Mapping[str, Any]) -> list[float]:
    points = [x for series in curve["series"] for x in series["x"]]
    return points + [mark["x"] for mark in curve.get("marks") or [] if mark.get("x") is not None]


def _heights(all_series: Sequence[Mapping[str, Any]]) -> list[float]:
    """The values, and as much of their intervals as does not flatten them."""
    values = [y for series in all_series for y in series["y"] if y is not None]
    ends = [y for series in all_series for key in ("low", "high") for y in series.get(key) or [] if y is not None]
    if not values:
        return ends
    low, high = min(values), max(values)
    span = high - low
    reach = TELL * (span if span > FLAT * abs(high) else abs(high) or 1.0)
    return values + [min(max(end, low - reach), high + reach) for end in ends]


def _lines(at: _Frame) -> list[str]:
    """The grid: a line and a number for each tick of the upright axis."""
    parts = []
    for value, said in at.up.words():
        y = at.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{said}</text>')
    return parts


def _below(axis: Mapping[str, Any], at: _Frame) -> list[str]:
    """The axis along the bottom, with its ticks."""
    parts = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at.bottom}" y2="{at.bottom}"/>']
    given = axis.get("ticks")
    for value, said in [(tick, figure(tick)) for tick in given] if given else at.across.words():
        x = at.x(value)
        parts.append(f'<line class="axis" x1="{x}" x2="{x}" y1="{at.bottom}" y2="{at.bottom + 4}"/>')
        parts.append(f'<text class="tick" x="{x}" y="{at.bottom + 16}" text-anchor="middle">{said}</text>')
    return parts


def _mark(mark: Mapping[str, Any], at: _Frame) -> list[str]:
    """A vertical line, and what lies between its ends shaded; the legend says what it is."""
    parts, role = [], escape(mark.get("role", "now"))
    low, high = mark.get("low"), mark.get("high")
    if low is not None and high is not None:
        left, right = at.x(low), at.x(high)
        parts.append(
            f'<rect class="range m-{role}" x="{left}" y="{at.top}" width="{max(right - left, 1):.1f}" '
            f'height="{at.bottom - at.top}"/>'
        )
    x = at.x(mark["x"])
    return [*parts, f'<line class="mark m-{role}" x1="{x}" x2="{x}" y1="{at.top}" y2="{at.bottom}"/>']


def _series(series: Mapping[str, Any], classes: str, at: _Frame) -> list[str]:
    points = [(x, y) for x, y in zip(series["x"], series["y"], strict=True) if y is not None]
    ends = _ends(series)
    parts = []
    if len(ends) > 1:
        upper = [f"{at.x(x)},{at.y(high)}" for x, _, high in ends]
        lower = [f"{at.x(x)},{at.y(low)}" for x, low, _ in reversed(ends)]
        parts.append(f'<polygon class="band {classes}" points="{" ".join(upper + lower)}"/>')
    line = " ".join(f"{at.x(x)},{at.y(y)}" for x, y in points)
    parts.append(f'<polyline class="line {classes}" points="{line}"/>')
    if series.get("role", "other") in ("measured", "other") and len(points) <= DOTS:
        measured = {x: (low, high) for x, low, high in ends}
        for x, y in points:
            said = f"{series['name']} at {figure(x)}: {_said(y, *measured.get(x, (None, None)))}"
            parts.append(_circle(classes, at.x(x), at.y(y), 3, said))
    return parts


def _ends(series: Mapping[str, Any]) -> list[tuple[float, float, float]]:
    """The intervals as (x, low, high), where there are any."""
    nothing = [None] * len(series["x"])
    rows = zip(series["x"], series.get("low") or nothing, series.get("high") or nothing, strict=True)
    return [(x, low, high) for x, low, high in rows if low is not None and high is not None]


def _by_category(curve: Mapping[str, Any]) -> tuple[int, list[str]]:
    """A row per category: its name, and a dot with its interval for every series."""
    named = [{**series, "x": _names(series["x"], curve["x"])} for series in curve["series"]]
    names = list(dict.fromkeys(name for series in named for name in series["x"]))
    height = TOP + (ROW + LABEL) * len(names) + BOTTOM
    across = Axis.over(_heights(curve["series"]), log=curve["y"].get("scale") == "log")
    at = _Frame(across, Axis(0, 1), TOP, height - BOTTOM)
    parts = _below(curve["y"], at)
    for row, name in enumerate(names):
        y = TOP + row * (ROW + LABEL) + LABEL
        parts.append(f'<text class="label" x="{LEFT - 40}" y="{y}">{escape(name)}</text>')
        parts.append(f'<line class="grid" x1="{LEFT - 40}" x2="{WIDTH - RIGHT}" y1="{y + 13}" y2="{y + 13}"/>')
        for index, (series, classes) in enumerate(zip(named, colours(curve), strict=True)):
            parts += _dot(series, name, classes, y + 13 + 5 * (index - (len(named) - 1) / 2), at)
    return height, parts


def _names(places: Sequence[Any], axis: Mapping[str, Any]) -> list[str]:
    """The names of a category axis: its ticks by their index, or what stands there."""
    ticks = axis.get("ticks")
    return [str(ticks[int(x)]) if ticks and isinstance(x, int | float) else str(x) for x in places]


def _dot(series: Mapping[str, Any], name: str, classes: str, y: float, at: _Frame) -> list[str]:
    parts = []
    nothing = [None] * len(series["x"])
    rows = zip(series["x"], series["y"], series.get("low") or nothing, series.get("high") or nothing, strict=True)
    for x, value, low, high in rows:
        if x != name or value is None:
            continue
        if low is not None and high is not None:
            parts.append(f'<line class="whisker {classes}" x1="{at.x(low)}" x2="{at.x(high)}" y1="{y}" y2="{y}"/>')
        said = f"{series['name']}, {name}: {_said(value, low, high)}"
        parts.append(_circle(classes, at.x(value), y, 4, said))
    return parts


def _circle(classes: str, x: float, y: float, radius: int, said: str) -> str:
    """A dot that says what it stands for."""
    return f'<circle class="dot {classes}" cx="{x}" cy="{y}" r="{radius}"><title>{escape(said)}</title></circle>'


def _said(value: float, low: float | None, high: float | None) -> str:
    ends = interval({"value": value, "low": low, "high": high}) if low is not None or high is not None else ""
    return figure(value) + (f" ({ends})" if ends else "")


def labelled(axis: Mapping[str, Any]) -> str:
    """The label of an axis with its unit."""
    unit = axis.get("unit")
    return f"{axis['label']} ({unit})" if unit else str(axis["label"])
