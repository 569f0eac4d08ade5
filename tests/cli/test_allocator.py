"""Freed buffers stay with the process: asking for one again and again faults its pages once."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from tools.tree import ROOT

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


DOCUMENTED = {"MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "2147483647"}


def faults(how: str, **settings: str) -> int:
    command, env = [sys.executable, "-c", COUNT, how], os.environ | settings
    return int(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)


def test_pages_fault_once() -> None:
    kept = faults("kept")
    if kept < 0:
        pytest.skip("this C library has no such settings")
    assert kept < faults("given back") / 5


def test_scripts_get_the_same_by_the_settings_that_are_documented() -> None:
    page = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
    assert " ".join(f"{name}={value}" for name, value in DOCUMENTED.items()) in page
    version = platform.libc_ver()
    if version[0] != "glibc" or tuple(map(int, version[1].split("."))) < (2, 36):
        pytest.skip("another C library, or one that takes less")
    assert faults("given back", **DOCUMENTED) < faults("given back") / 5
