"""Plots: values stand where they should, ticks are round, nothing leaves the picture."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.share.report_findings import categories, curve

from dynaxx.share.plot import HEIGHT, LEFT, RIGHT, WIDTH, colours, marked, plot
from dynaxx.share.ticks import Axis

finite = st.floats(-1e9, 1e9).filter(lambda v: v == 0 or abs(v) > 1e-9)


@settings(max_examples=200, deadline=None)
@given(st.lists(finite, min_size=1, max_size=6), st.booleans())
def test_values_stand_in_order_inside(values: list[float], log: bool) -> None:
    axis = Axis.over(values, log=log)
    places = [axis.place(v) for v in sorted(values)]
    assert places == sorted(places)
    assert all(-1e-6 <= p <= 1 + 1e-6 for p in places)


@settings(max_examples=200, deadline=None)
@given(st.floats(-1e6, 1e6), st.floats(1e-4, 1e6))
def test_ticks_are_few_even_and_inside(low: float, span: float) -> None:
    axis = Axis(low, low + span)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 6
    assert all(axis.low - 1e-9 * span <= t <= axis.high + 1e-9 * span for t in ticks)


@pytest.mark.parametrize(
    ("axis", "ticks"),
    [
        (Axis(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (Axis(-0.3, 1.1), [0, 0.5, 1]),
        (Axis(0.01, 1, log=True), [0.01, 0.03, 0.1, 0.3, 1]),
        (Axis(1e-8, 1e4, log=True), [1e-8, 1e-5, 1e-2, 1e1, 1e4]),
    ],
)
def test_ticks_are_round(axis: Axis, ticks: list[float]) -> None:
    assert axis.ticks() == pytest.approx(ticks)


def test_dots_stand_at_their_values() -> None:
    drawn = ET.fromstring(plot(curve("level_sweep", "bridge", marks=True)))
    dots = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in drawn.iter("circle")]
    assert len(dots) == 6
    xs, heights = [x for x, _ in dots], [y for _, y in dots]
    assert (xs[3] - xs[1]) / (xs[5] - xs[3]) == pytest.approx((0.4 - 0.1) / (0.8 - 0.4), abs=0.01)
    assert heights.index(max(heights)) == 2  # the lowest value is lowest on the page
    assert all(LEFT <= x <= WIDTH - RIGHT and 0 < y < HEIGHT + 40 for x, y in dots)
    marks = {
        line.get("class"): float(line.get("x1", ""))
        for line in drawn.iter("line")
        if "mark" in (line.get("class") or "")
    }
    assert marks == {"mark m-now": xs[4], "mark m-minimum": xs[2]}


def test_what_was_not_measured_is_left_out_and_wild_intervals_flatten_nothing() -> None:
    made = curve("gain", "bridge")
    series = made["series"][0]
    series["y"] = [*series["y"][:-1], None]
    series["low"], series["high"] = [None] * 6, [None, 1e6, *[0.1] * 4]
    series["low"][1] = -1e6
    drawn = ET.fromstring(plot(made))
    heights = [float(c.get("cy", "")) for c in drawn.iter("circle")]
    assert len(heights) == 5
    assert max(heights) - min(heights) > 15


def test_categories_have_a_row_each() -> None:
    made = categories("bridge")
    drawn = ET.fromstring(plot(made))
    words = [text.text for text in drawn.iter("text")]
    assert [w for w in words if w in made["series"][0]["x"]] == made["series"][0]["x"]
    assert len(list(drawn.iter("circle"))) == 12
    by_index = {**made, "x": {**made["x"], "ticks": made["series"][0]["x"]}}
    by_index["series"] = [{**series, "x": list(range(6))} for series in made["series"]]
    assert plot(by_index) == plot(made)


def test_one_point_is_a_plot() -> None:
    made = curve("gain", "bridge", scale="log")
    made["series"] = [{"name": "m", "role": "other", "x": [0.0], "y": [math.pi], "low": None, "high": None}]
    assert len(list(ET.fromstring(plot(made)).iter("circle"))) == 1


def test_ticks_are_told_apart() -> None:
    assert [said for _, said in Axis(0.0967, 0.0977).words()][:2] == ["0.0968", "0.0970"]
    assert [said for _, said in Axis(0, 1).words()] == ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]
    assert [said for _, said in Axis(-2000, 2000).words()] == [
        "\u22122\u202f000",
        "\u22121\u202f000",
        "0",
        "1\u202f000",
        "2\u202f000",
    ]


def test_series_of_one_role_are_told_apart() -> None:
    made = curve("spectrum", "bridge")
    made["series"] = [{**made["series"][0], "role": role} for role in ("measured", "measured", "reference", "other")]
    assert len(set(colours(made))) == 4
    assert marked(curve("level_sweep", "bridge", marks=True)) == [
        ("now", "now 0.6"),
        ("minimum", "lowest 0.2 (0.15 to 0.28)"),
    ]
