"""The training benchmark's smoke version runs, and its last line holds the promised figures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_quick_gives_the_ratio_against_a_plain_loop() -> None:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "training.py", "--quick", "--json"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    by_name = {result["name"]: result for result in found["results"]}
    assert found["benchmark"] == "training"
    assert by_name["images_per_s_ratio"]["target"] == 1.15
    assert by_name["images_per_s"]["peer"] > 0
    assert all(0 < result["low"] <= result["value"] <= result["high"] for result in found["results"])
