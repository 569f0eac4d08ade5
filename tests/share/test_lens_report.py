"""The report: self-contained, complete, escaped, small enough; and what it says is what was found."""

from __future__ import annotations

import copy
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from tests.share.page_reader import fetched, read
from tests.share.report_findings import STAGES, made_up

from dynaxx.errors import DataError
from dynaxx.share import report_page
from dynaxx.share.png import encode_png
from dynaxx.share.ranked import ranked
from dynaxx.share.report_page import LARGEST_PAGE, grouped, render_report, share_bars
from dynaxx.share.summary import summary


@pytest.fixture(scope="module")
def html() -> str:
    return render_report(*made_up())


def said(text: str) -> str:
    return " ".join(text.split())


def test_the_page_is_whole_and_fetches_nothing(html: str) -> None:
    read(html)
    assert fetched(html) == []
    assert len(html.encode()) <= LARGEST_PAGE


def test_the_verdict_comes_first(html: str) -> None:
    text = said(read(html).text.partition("}")[2])
    headline = "The bridge is at fault: the noise put on its input is too strong."
    for later in ("The cascade, stage by stage", "What to change", "The worst samples", "All findings"):
        assert text.index(headline) < text.index(later)


def test_all_that_was_found_is_shown(html: str) -> None:
    text = said(read(html).text)
    for words in (
        "0.061",
        "0.055 to 0.067",
        "77% (70 to 84%)",
        "1.4 (1.2 to 1.6)",
        "Lower the noise on the bridge's input from 0.6 to 0.2.",
        "bridge.inputs.low.noise.std: 0.2",
        "0.86 (0.78 to 0.94)",
        "Is the noise on its input right?",
        "Something new",
        "lowest 0.2",
        "now 0.6",
        "128",
        "Holm over 12 findings",
        "left out: pictures do not move",
        "from runs that were kept",
        "dynaxx lens runs/emoji --data bundled --out report",
        "name: emoji-64",
        "< 0.001",
    ):
        assert words in text, words


def test_every_picture_has_its_words_and_its_truth(html: str) -> None:
    images = [attrs for tag, attrs in read(html).tags if tag == "img"]
    assert len(images) == 2 * 3 * 2
    assert all(attrs["alt"] for attrs in images)
    assert [attrs["alt"] for attrs in images[:2]] == ["pizza 0: what base made", "pizza 0: what base should have made"]


def test_a_report_without_reference_says_so() -> None:
    findings, files = made_up()
    findings |= {"score": None, "floor": None, "error_table": None, "applied": None}
    findings["stages"] = [
        {**stage, "share": None, "share_percent": None, "own": None, "gap": None, "carry": None}
        for stage in findings["stages"]
    ]
    for sample in findings["samples"]:
        for frame in sample["frames"]:
            frame["truth"] = None
    findings["method"]["data"] = None
    html = render_report(findings, files)
    text = said(read(html).text)
    assert "only what needs no reference was measured" in text
    assert "what the stage was given" not in text.partition("Drag")[0]
    assert "The table of errors" not in text
    assert "made given" in " ".join(text.split())
    assert "truth" not in text.partition("The worst samples")[2].partition("What the probes saw")[0]
    assert "should have made" not in html
    assert html.count("<img") == 2 * (3 + 2)  # over the second and third stage lies what they were given
    Console(file=io.StringIO()).print(summary(findings))


def test_words_of_the_user_are_escaped() -> None:
    findings, files = made_up(1)
    bad = '<script>alert("x")</script>'
    for place in (
        findings["samples"][0],
        findings["stages"][0],
        findings["curves"][0],
        findings["method"],
        findings["cascade"],
    ):
        place |= {key: bad for key in ("prompt", "says", "title", "command", "yaml", "name") if key in place}
    findings["curves"][0]["series"][0]["name"] = bad
    findings["curves"][3]["marks"][0]["label"] = bad
    html = render_report(findings, files)
    read(html)
    assert bad not in html


def test_a_heavy_report_shows_fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """The least bad samples go; what is said stays whole."""
    findings, files = made_up(20)
    most = len(render_report(*made_up(5)).encode())
    monkeypatch.setattr(report_page, "LARGEST_PAGE", most)
    noise = encode_png(np.random.default_rng(0).integers(0, 255, (16, 16, 3)).astype(np.uint8))
    html = render_report(findings, dict.fromkeys(files, noise))
    assert most / 2 < len(html.encode()) <= most
    assert "pizza 0" in html
    assert "pizza 19" not in html
    assert "How it was measured" in html


def test_shares_are_drawn_on_one_scale_with_zero_where_it_is() -> None:
    bars = share_bars([{"share": {"value": v}} if v is not None else {"share": None} for v in (0.3, -0.1, None)])
    assert [(b.left, b.width, b.zero, b.less) if b else None for b in bars] == [
        (25.0, 75.0, 25.0, False),
        (0.0, 25.0, 25.0, True),
        None,
    ]
    assert share_bars([{"share": None}]) == [None]


def test_findings_are_read_worst_first() -> None:
    findings = made_up()[0]["findings"]
    assert [finding["level"] for finding in ranked(findings)] == ["fault", "watch", "healthy", "unknown"]
    two = [{**findings[2], "id": str(gain), "gain": {"value": gain}} for gain in (0.1, 0.3)]
    assert [finding["id"] for finding in ranked(two)] == ["0.3", "0.1"]


def test_probes_come_in_a_fixed_order_and_unknown_ones_last() -> None:
    groups = grouped(made_up()[0]["curves"])
    titles = [group.title for group in groups]
    assert titles[0] == "Is the noise on its input right?"
    assert titles[-1] == "Something new"
    assert sum(len(group.curves) for group in groups) == 6


def test_findings_of_another_schema_are_refused() -> None:
    with pytest.raises(DataError, match="schema 'dynaxx.findings/0'.*Measure again"):
        render_report({**made_up()[0], "schema": "dynaxx.findings/0"}, {})


def test_the_terminal_says_the_same() -> None:
    out = io.StringIO()
    findings: dict[str, Any] = copy.deepcopy(made_up()[0])
    findings["findings"] += [{**findings["findings"][2], "advice": f"Do {i}."} for i in range(6)]
    Console(file=out, width=120).print(summary(findings))
    for words in ("The bridge is at fault", "77% (70 to 84%)", "1. ", "and 2 more", "83 s", "0.017 after"):
        assert words in out.getvalue(), words


def test_pictures_of_the_page_are_the_files() -> None:
    findings, files = made_up(1)
    html = render_report(findings, files)
    import base64

    source = next(attrs["src"] or "" for tag, attrs in read(html).tags if tag == "img")
    assert base64.b64decode(source.partition(",")[2]) == files["pictures/000000.base.png"]
    with Image.open(io.BytesIO(files[f"pictures/000000.{STAGES[0]}.png"])) as image:
        assert image.size == (16, 16)
