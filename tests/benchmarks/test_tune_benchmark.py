"""The benchmark of tuning: its smoke version runs, and its last line holds the promised figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_quick_gives_the_promised_figures() -> None:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "tune.py", "--quick", "--json"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    by_name = {result["name"]: result for result in found["results"]}
    assert found["benchmark"] == "tune"
    assert by_name["flops_ratio"]["value"] <= by_name["flops_ratio"]["target"] == 0.5
    assert by_name["score_ratio"]["low"] >= by_name["score_ratio"]["target"] == 0.98
    assert by_name["score_spare"]["low"] >= by_name["score_spare"]["target"] == 0
