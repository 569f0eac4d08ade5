"""Five hundred samples, killed five times: as if nothing had been, and at most one batch redone for each kill."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_five_hundred_samples_survive_five_kills(tmp_path: Path) -> None:
    path = os.pathsep.join([str(HERE.parents[1] / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, str(HERE / "bulk_killed.py"), str(tmp_path)]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert (found["kills"], found["ends"], found["pictures"], found["same"]) == (5, [0, 0], 500, True)
    assert sorted(found["batches"]) == list(range(32))
    assert 32 <= found["begun"] <= 32 + 5
    assert found["leftovers"] == []
