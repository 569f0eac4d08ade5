"""`dynaxx plan`: a table for people, the same for machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynaxx.cli import run

TEXT = """
name: two
stages:
  - {name: base, role: base, network: {width: 16, mults: [1, 2], blocks: 1, attention: []}, out: {size: [8, 8]}}
  - {name: far, role: bridge, kind: pipeline, load: some/where, from: base, out: {scale: 2}}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "two.yaml"
    path.write_text(TEXT, encoding="utf-8")
    return str(path)


def test_the_table_names_every_stage_and_what_is_not_known(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", file, "--samples", "2"]) == 0
    said = capsys.readouterr().out
    assert "base" in said
    assert "3x16x16" in said
    assert "nothing is known of what stages of kind 'pipeline' do" in " ".join(said.split())


def test_json_holds_the_same(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plan", file, "--set", "base.solver.steps=5", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    base, far = found["nodes"]
    assert base["evaluations"] == 5
    assert base["flops"] > 5 * 2 * 64 * base["parameters"] / 8
    assert far["unknown"]
    assert found["training"][0]["name"] == "base"


def test_a_wrong_setting_is_refused(file: str) -> None:
    assert run(["plan", file, "--set", "base.solver.stops=5"]) == 2
