"""`dynaxx tune` in real processes: file, figures and page; gone on with; refusals."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.share.page_reader import fetched, read

FILE = """
name: two
condition: {text: {}}
stages:
  - {name: base, role: base, kind: empirical, data: {kind: bundled}, out: {size: [8, 8]}, solver: {steps: 12}}
  - name: bridge
    role: bridge
    kind: empirical
    data: {kind: bundled}
    inputs: {low: {from: base, noise: {train_std: [0.0, 0.6], std: 0.1}}}
    solver: {steps: 12}
    out: {scale: 2}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "two.yaml"
    path.write_text(FILE)
    return path


def dynaxx(*arguments):
    path = os.pathsep.join([str(Path(__file__).parents[2] / "src"), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-m", "dynaxx", *map(str, arguments)]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=240, check=False)


def test_a_cheaper_file_is_written_and_a_second_call_runs_nothing(file, tmp_path):
    out = tmp_path / "tuned"
    order = ("tune", file, "--num", 16, "--fresh", 16, "--budget", 120, "--out", out, "--json")
    done = dynaxx(*order)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["shown"]
    assert found["cost"]["ratio"] <= 0.5
    assert found["confirmed"]["signals"].startswith("unseen")
    assert json.loads((out / "tuned.json").read_text())["changes"] == found["changes"]
    assert "together, the best of each stage" in done.stderr
    checked = dynaxx("check", found["file"], "--json")
    assert checked.returncode == 0, checked.stderr
    page = (out / "index.html").read_text("utf-8")
    reader = read(page)
    assert fetched(page) == []
    for words in ("All stages together", "base, on its own grid", "Before and after", found["changes"][0]["path"]):
        assert words in " ".join(reader.text.split()), words
    again = json.loads(dynaxx(*order).stdout)
    assert again["blocks_run"] == 0
    assert again["changes"] == found["changes"]
    assert again["confirmed"] == found["confirmed"]


def test_what_cannot_be_done_is_said(file, tmp_path):
    env = {"DYNAXX_CACHE": str(tmp_path / "cache")}
    os.environ.update(env)
    try:
        done = dynaxx("tune", file, "--latency", 1, "--out", tmp_path / "t")
    finally:
        del os.environ["DYNAXX_CACHE"]
    assert done.returncode == 2
    assert "--calibrate" in done.stderr
    assert "Traceback" not in done.stderr
    bare = tmp_path / "bare.yaml"
    bare.write_text("name: bare\nstages: [{name: base, role: base, out: {size: [8, 8]}}]\n")
    done = dynaxx("tune", bare, "--out", tmp_path / "t")
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
