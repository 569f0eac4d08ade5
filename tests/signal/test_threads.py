"""OpenMP is told to spin shortly before torch loads it, by commands and in Python; what the user has set stays."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

LOADS = {
    "a command": "from dynaxx.cli import run; run(['--version']); import torch",
    "the front door": "from dynaxx import Cascade",
    "another name of it": "import dynaxx; dynaxx.Runtime()",
}


def spins(load: str, **settings: str) -> str:
    """What GNU's OpenMP says that it took up."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
    env = clean | {"OMP_DISPLAY_ENV": "VERBOSE"} | settings
    said = subprocess.run([sys.executable, "-c", load], env=env, capture_output=True, text=True, check=True).stderr
    found = re.search(r"GOMP_SPINCOUNT = '(\d+|INFINITY)'", said)
    if found is None:
        pytest.skip("this torch has another OpenMP")
    return found.group(1)


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
def test_waiting_threads_give_way(load: str) -> None:
    assert spins(load) == "1000"


def test_what_the_user_has_set_stays() -> None:
    load = LOADS["the front door"]
    assert spins(load, GOMP_SPINCOUNT="77") == "77"
    assert spins(load, OMP_WAIT_POLICY="PASSIVE") == "0"


@pytest.mark.parametrize("load", ["import dynaxx; dynaxx.load", "import torch; from dynaxx import Cascade"])
def test_nothing_is_set_where_torch_is_not_loaded_by_us(load: str) -> None:
    clean = {key: value for key, value in os.environ.items() if key != "GOMP_SPINCOUNT"}
    code = f"{load}; import os; print(os.environ.get('GOMP_SPINCOUNT'))"
    done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None"]
