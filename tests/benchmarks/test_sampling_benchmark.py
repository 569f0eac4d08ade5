"""The benchmark's smoke version runs, and its last line is the object that is promised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIELDS = {"name", "value", "unit", "low", "high", "n", "target", "peer"}


def test_quick_gives_one_json_object_with_the_promised_figures() -> None:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "sampling.py", "--quick", "--json"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["benchmark"] == "sampling"
    assert set(found["load"]) == {"per_core", "busy"}
    by_name = {result["name"]: result for result in found["results"]}
    assert by_name["loop_overhead"]["target"] == 1.03
    assert by_name["time_vs_diffusers"]["target"] == 1.0
    for result in found["results"]:
        assert set(result) == FIELDS
        assert 0 < result["low"] <= result["value"] <= result["high"]
