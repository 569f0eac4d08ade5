"""Commands tell OpenMP to spin shortly, before torch loads it, and leave alone what the user has set."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

LOAD = "from dynaxx.cli.threads import give_way_soon; give_way_soon(); import torch"


def spins(**settings: str) -> str:
    """What GNU's OpenMP says that it took up."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    env = clean | {"OMP_DISPLAY_ENV": "VERBOSE"} | settings
    said = subprocess.run([sys.executable, "-c", LOAD], env=env, capture_output=True, text=True, check=True).stderr
    found = re.search(r"GOMP_SPINCOUNT = '(\d+|INFINITY)'", said)
    if found is None:
        pytest.skip("this torch has another OpenMP")
    return found.group(1)


def test_waiting_threads_give_way_unless_told_otherwise() -> None:
    assert spins() == "1000"
    assert spins(GOMP_SPINCOUNT="77") == "77"
    assert spins(OMP_WAIT_POLICY="PASSIVE") == "0"
