"""The benchmark of remedies, its smoke version: of what a wrong level costs an exact cascade, most comes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_quick_sets_a_wrong_level_right() -> None:
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "remedy.py", "--quick", "--json"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=240, check=True,
    )  # fmt: skip
    (found,) = json.loads(done.stdout.splitlines()[-1])["results"]
    assert found["name"] == "recovered_share gaussian"
    assert found["low"] >= found["target"] == 0.8
