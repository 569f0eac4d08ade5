"""The lens on the cascade that travels with the package: a quick look ends, names one stage, and leaves a page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynaxx.cli import run
from dynaxx.data.glyph import find_font
from dynaxx.errors import DataError


@pytest.mark.slow
def test_a_quick_look_at_the_bundled_cascade(tmp_path: Path) -> None:
    pytest.importorskip("emoji")
    try:
        find_font()
    except DataError:
        pytest.skip("needs a colour-emoji font")
    assert run(["lens", "emoji-64", "--budget", "quick", "--num", "32", "--out", str(tmp_path)]) == 0
    found = json.loads((tmp_path / "findings.json").read_text("utf-8"))
    assert {stage["name"] for stage in found["stages"]} == {"base", "bridge", "refine"}
    assert found["verdict"]["level"] in {"healthy", "watch", "fault"}
    assert 1e5 < (tmp_path / "index.html").stat().st_size < 6 * 2**20
