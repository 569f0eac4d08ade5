"""A proposal's page: what the command says, bars that add up, a front that nothing beats, and nothing fetched."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.share.page_reader import read
from tests.share.phone import WIDTH, needs_browser, width_and_extent

from dynaxx.cli import run
from dynaxx.share.proposal_page import _unbeaten, render_proposal


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict, str]:
    """A proposal by the command itself: what it says, and the page that it wrote."""
    folder = tmp_path_factory.mktemp("proposal")
    with pytest.MonkeyPatch.context() as patch, pytest.MonkeyPatch.context() as quiet:
        patch.setenv("DYNAXX_CACHE", str(folder / "cache"))
        quiet.setattr("dynaxx.plan.propose.shapes.WIDTHS", (16, 32))
        said: list[str] = []
        quiet.setattr("builtins.print", lambda *given, **more: said.append(" ".join(map(str, given))))
        page = folder / "page.html"
        asked = ["--target", "64x64", "--memory", "1", "--device", "t4", "--page", str(page)]
        assert run(["plan", *asked, "--json"]) == 0
    return json.loads(said[-1]), page.read_text()


def test_it_says_what_the_command_says(made: tuple[dict, str]) -> None:
    data, html = made
    assert data["page"]
    assert re.findall(r"(?:src|href)=.(?!data:)", html) == []
    text = " ".join(read(html).text.split())
    for reason in data["reasons"]:
        assert reason["why"] in text
    for words in ("64x64, good quality, on t4, within 1 GiB", "single stage", "version: 1", "published figures"):
        assert words in text, words
    best = data["best"]
    assert all(stage["name"] in text and stage["grid"] in text for stage in best["stages"])
    assert len(best["stages"]) == len(best["sizes"])


def test_stages_take_what_the_cascade_takes(made: tuple[dict, str]) -> None:
    best = made[0]["best"]
    for end in ("value", "low", "high"):
        assert sum(stage["latency_s"][end] for stage in best["stages"]) == pytest.approx(best["latency_s"][end])
    assert max(stage["peak_bytes"] for stage in best["stages"]) == pytest.approx(best["memory_gib"] * 2**30, rel=1e-6)
    bars = re.findall(r'aria-label="time[^>]*><i style="left: ([\d.]+)%; width: ([\d.]+)%', made[1])
    ends = [float(left) + float(width) for left, width in bars]
    starts = [float(left) for left, _ in bars]
    assert starts == pytest.approx([0, *ends[:-1]], abs=0.03)


def test_each_width_has_a_line_of_what_no_other_beats(made: tuple[dict, str]) -> None:
    data, html = made
    like = [row for row in data["front"] if row["pace"] == data["best"]["pace"]]
    for width in {row["width"] for row in like}:
        line = _unbeaten([row for row in like if row["width"] == width])
        costs = [(row["memory_gib"], row["latency_s"]["value"]) for row in line]
        assert costs == sorted(costs)
        assert [took for _, took in costs] == sorted((took for _, took in costs), reverse=True)
        assert f"width {width}" in html


def test_without_bounds_it_says_so(made: tuple[dict, str]) -> None:
    data = {**made[0], "asked": {**made[0]["asked"], "budget": {}, "devices": 8}}
    text = " ".join(read(render_proposal(data)).text.split())
    assert "trained on 8 of them, with no bounds" in text
    assert "the budget" not in text


@needs_browser
def test_it_is_read_on_a_phone(made: tuple[dict, str], tmp_path: Path) -> None:
    assert width_and_extent(made[1], tmp_path) == (WIDTH, WIDTH)
