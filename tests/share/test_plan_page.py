"""The plan's page: all that the table says, bars that add up, a front that nothing beats, and nothing fetched."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from tests.share.page_reader import read
from tests.share.phone import WIDTH, needs_browser, width_and_extent

from dynaxx.plan.table import Question, answer
from dynaxx.share.plan_page import render_plan
from dynaxx.share.plan_room import room_lines
from dynaxx.share.plan_spread import spread_lines

FILE = """
name: two
condition: {text: {}}
stages:
  - name: base
    role: base
    network: {width: 16, mults: [1, 2], blocks: 1, attention: [1]}
    out: {size: [16, 16]}
    train: {steps: 9}
  - name: bridge
    role: bridge
    network: {width: 16, mults: [1, 2], blocks: 1, attention: [1]}
    inputs: {low: {from: base, noise: {train_std: [0.0, 0.6], std: 0.1}}}
    out: {scale: 2}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "two.yaml"
    path.write_text(FILE)
    return str(path)


@pytest.fixture(scope="module")
def plan(file):
    return answer(Question(file, samples=8, device="t4", compared=True))


def test_it_says_what_the_table_says(plan):
    html = render_plan(plan)
    reader = read(html)
    assert re.findall(r"(?:src|href)=.(?!data:)", html) == []  # that its sources are pages is said, not fetched
    text = " ".join(reader.text.split())
    for words in ("two", "8 samples, 8 at a time, on t4", "Latency against memory", "Training", "3x32x32"):
        assert words in text, words
    plots = [attrs for tag, attrs in reader.tags if tag == "svg" and attrs.get("class") == "plot"]
    assert len(plots) == 1


def test_stages_run_one_after_another(plan):
    """Each bar of time begins where the one before it ends, each 90% interval is drawn whole, and the last closes the
    lane.
    """
    number = r"([\d.]+)%"
    bar = rf'aria-label="time[^>]*><i style="left: {number}; width: {number}"></i>'
    bar += rf'<s style="left: {number}; width: {number}'
    found = [tuple(map(float, bar)) for bar in re.findall(bar, render_plan(plan))]
    told = [node["latency_s"] for node in plan["nodes"]]
    scale = 100 / max(told[0]["high"], told[0]["value"] + told[1]["high"])
    starts = (0.0, told[0]["value"])
    assert found == [
        pytest.approx(
            (start * scale, one["value"] * scale, (start + one["low"]) * scale, (one["high"] - one["low"]) * scale),
            abs=0.02,
        )
        for start, one in zip(starts, told, strict=True)
    ]
    assert max(left + wide for _, _, left, wide in found) == pytest.approx(100, abs=0.02)


def test_descriptions_hold_terms_alone(plan):
    """In a `dl` are `dt`, `dd`, or `div`s of them: HTML allows no headings there."""

    class Inside(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.found = [], set()

        def handle_starttag(self, tag, attrs):
            if self.open and self.open[-1] == "dl":
                self.found.add(tag)
            if tag not in ("meta", "link", "br", "hr", "img", "input"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            assert tag == self.open.pop()

    inside = Inside()
    inside.feed(re.sub(r"<svg.*?</svg>", "", render_plan(plan), flags=re.S))
    assert {"dt", "dd"} <= inside.found <= {"dt", "dd", "div"}


def test_no_way_beats_another(plan):
    ways = plan["ways"]
    costs = [(way["peak_bytes"], way["latency_s"]["value"], way["fetched_bytes"]) for way in ways]
    for one in costs:
        others = [other for other in costs if other != one]
        assert not any(all(a <= b for a, b in zip(other, one, strict=True)) for other in others)
    memory = [peak for peak, _, _ in costs]
    assert memory == sorted(memory)
    assert min(memory) <= plan["run"]["peak_bytes"]


def test_what_fetches_again_does_not_beat_what_stays(plan):
    """One at a time needs less memory and, fetching aside, no more time; who does not want to fetch is told too."""
    fetched = {way["placement"]: way["fetched_bytes"] for way in plan["ways"]}
    assert fetched == {"resident": 0, "one-at-a-time": sum(node["weights_bytes"] for node in plan["nodes"])}
    reader = read(render_plan(plan))
    assert "fetched again" in reader.text
    assert "of it waiting" in reader.text
    for way in plan["ways"]:
        waits = way["fetch_s"]["value"]
        assert (waits > 0) == (way["placement"] == "one-at-a-time")
        assert waits < way["latency_s"]["value"]
    legend = " ".join(reader.text.split())
    assert "resident" in legend
    assert "one at a time" in legend


def test_a_wait_for_weights_is_said(file):
    held = answer(Question(file, placement="one-at-a-time", device="t4"))
    assert held["fetched_bytes"] == sum(node["weights_bytes"] for node in held["nodes"])
    stages = sum(node["latency_s"]["value"] for node in held["nodes"])
    assert held["run"]["latency_s"]["value"] == pytest.approx(stages + held["run"]["fetch_s"]["value"])
    assert "come anew in every run: a wait of" in read(render_plan(held)).text
    stays = answer(Question(file, placement="resident", device="t4"))
    assert stays["run"]["fetch_s"]["value"] == 0
    assert "come anew" not in read(render_plan(stays)).text


def test_under_a_cap_it_says_what_is_streamed_and_what_does_not_fit(file):
    """Streamed stages are ways too: less memory, and their weights anew in every evaluation."""
    capped = answer(Question(file, samples=8, device="t4", compared=True, memory_cap=400_000))
    text = " ".join(read(render_plan(capped)).text.split())
    for line in room_lines(capped):
        assert " ".join(line.split()) in text
    assert "base and bridge streamed" in text
    whole = answer(Question(file, samples=8, device="t4", compared=True))
    least, other = (min(way["peak_bytes"] for way in told["ways"]) for told in (capped, whole))
    assert least < other
    assert all(way["fetched_bytes"] > 3 * sum(n["weights_bytes"] for n in capped["nodes"]) for way in capped["ways"])


def test_over_devices_it_says_what_each_holds(file):
    spread = answer(Question(file, samples=8, device="t4", devices={"base": ("cuda:0",), "bridge": ("cuda:1",)}))
    text = " ".join(read(render_plan(spread)).text.split())
    assert "Over several devices" in text
    assert len(spread_lines(spread)) == 4
    for line in spread_lines(spread):
        assert " ".join(line.split()) in text


def test_without_a_clock_it_speaks_of_memory_alone(file, tmp_path, monkeypatch):
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    reader = read(render_plan(answer(Question(file, compared=True))))
    text = " ".join(reader.text.split())
    assert "Latency against memory" not in text
    assert "not calibrated" in text


@needs_browser
def test_it_is_read_on_a_phone(plan, tmp_path):
    """Nothing but tables in their own frames reaches beyond the edge."""
    assert width_and_extent(render_plan(plan), tmp_path) == (WIDTH, WIDTH)
