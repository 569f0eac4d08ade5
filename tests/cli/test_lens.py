"""`dynaxx lens` in real processes: reports, caches, remedies, and refusals."""

from __future__ import annotations

import json

import pytest
from tests.two_stages import dynaxx, two_stages


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(two_stages(6))
    return path


def lens(*arguments):
    return dynaxx("lens", *arguments)


def test_a_look_is_written_answered_and_kept(file, tmp_path):
    out = tmp_path / "report"
    first = lens(file, "--out", out, "--num", 16, "--json")
    assert first.returncode == 0, first.stderr
    answer = json.loads(first.stdout)
    assert answer["verdict"]["level"] == "healthy"
    assert answer["schema"] == json.loads((out / "findings.json").read_text())["schema"]
    assert "evaluations, about" in first.stderr
    second = json.loads(lens(file, "--out", out, "--num", 16, "--json").stdout)
    assert all(probe["cached"] for probe in second["method"]["probes"] if not probe["left_out"])
    assert second["findings"] == answer["findings"]


def test_what_cannot_be_meant_is_refused(file, tmp_path):
    for arguments, said in (
        (["--budget", "some"], "quick, full, or a number"),
        (["--data", tmp_path, "--prompts", file], "one of them"),
    ):
        done = lens(file, "--out", tmp_path / "r", *arguments)
        assert done.returncode == 2
        assert said in done.stderr
    empty = tmp_path / "none.txt"
    empty.write_text("\n\n")
    done = lens(file, "--out", tmp_path / "r", "--prompts", empty)
    assert done.returncode == 1
    assert "holds no prompt" in done.stderr
