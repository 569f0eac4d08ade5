"""Freed buffers stay with the process: asking for one again and again faults its pages once."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import resource, sys
from dynaxx.cli.allocator import keep_freed_memory
if sys.argv[1] == "kept" and not keep_freed_memory():
    print(-1)
    raise SystemExit
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    b"x" * (2**25 + _)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    return int(subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True).stdout)


def test_pages_fault_once() -> None:
    kept = faults("kept")
    if kept < 0:
        pytest.skip("this C library has no such settings")
    assert kept < faults("given back") / 5
