"""Reports of real looks into a small cascade: with a truth, and with prompts alone."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from tests.share.page_reader import fetched, read
from tests.two_stages import two_stages

from dynaxx.engine.cascade import Cascade
from dynaxx.lens.open import Options, look
from dynaxx.share.report import write_report
from dynaxx.share.report_page import LARGEST_PAGE
from dynaxx.share.summary import summary
from dynaxx.spec.files import loads


@pytest.mark.parametrize("prompts", [(), ("pizza", "rocket")])
def test_a_real_look_is_a_page(prompts: tuple[str, ...], tmp_path: Path) -> None:
    view = look(Cascade.from_spec(loads(two_stages(4))), prompts=prompts, options=Options(num=16, budget=5.0))
    list(view.steps())
    page = write_report(view.lensed(), tmp_path)
    html = page.read_text("utf-8")
    reader = read(html)
    assert fetched(html) == []
    assert len(html.encode()) <= LARGEST_PAGE
    findings = json.loads((tmp_path / "findings.json").read_text("utf-8"))
    said = " ".join(reader.text.split())
    for words in (findings["verdict"]["headline"], "base", "bridge", "16 \u00d7 16", findings["cascade"]["run_id"]):
        assert words in said, words
    assert ("The table of errors" in said) == (not prompts)
    assert all((tmp_path / frame["file"]).exists() for sample in findings["samples"] for frame in sample["frames"])
    out = io.StringIO()
    Console(file=out, width=200).print(summary(findings))
    assert findings["verdict"]["headline"] in out.getvalue()
