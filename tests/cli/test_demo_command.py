"""`dynaxx demo --lens` says on the terminal what its lens found."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from dynaxx.cli import run
from dynaxx.share import demo, demo_look


def test_the_verdict_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(demo, "make_demo", partial(demo.make_demo, prompts=("pizza",)))
    monkeypatch.setattr(demo_look, "look_at", partial(demo_look.look_at, num=8, budget_s=1e-6))
    assert run(["demo", "--lens", "--cascade", "emoji-exact", "--out", str(tmp_path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    verdict = json.loads((tmp_path / "lens" / "findings.json").read_text("utf-8"))["verdict"]
    assert f"{verdict['headline']} {' '.join(verdict['words'])}" in shown
