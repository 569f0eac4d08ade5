"""The benchmark's smoke version runs, and its last line holds the promised shares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_quick_plants_a_few_faults_and_finds_them() -> None:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "planted_faults.py", "--quick", "--json"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout.splitlines()[-1])
    by_name = {result["name"]: result for result in found["results"]}
    assert set(by_name) == {"stage_and_kind_share", "stage_share", "stranger_stage_share", "false_alarms"}
    assert by_name["stage_and_kind_share"]["n"] >= 4
    assert by_name["stage_share"]["value"] >= by_name["stage_and_kind_share"]["value"] >= 0.75
    assert by_name["false_alarms"]["value"] == 0
