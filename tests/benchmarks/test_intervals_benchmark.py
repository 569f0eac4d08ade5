"""The interval benchmark's smoke version runs, and covers about as often as it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_quick_gives_one_json_object() -> None:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "intervals.py", "--quick", "--json"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["benchmark"] == "intervals"
    assert len(found["results"]) == 15
    for result in found["results"]:
        assert result["target"] == 0.95
        assert 0.8 < result["value"] <= 1
        assert 0 < result["low"] <= result["value"] <= result["high"] + 1e-9 <= 1 + 2e-9
