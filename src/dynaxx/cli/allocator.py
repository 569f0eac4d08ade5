"""The C library's allocator, told to keep what is freed: networks on a CPU ask for the same buffers over and over."""

from __future__ import annotations

import ctypes
import sys

MMAP_THRESHOLD, TRIM_THRESHOLD = -3, -1
"""glibc's names for the two settings (`man 3 mallopt`)."""
LARGEST = 2**30, 2**25
"""Buffers from this size on are mapped one by one; older versions allow less."""


def keep_freed_memory() -> bool:
    """Let freed buffers stay with the process instead of going back to the system; says whether that could be set.

    Otherwise every large buffer of every step is mapped anew, and each of its pages faults when first touched: 8 to 18%
    of a training step's CPU time. For whole processes that run networks, such as commands: the setting is for good.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    kept = any(mallopt(MMAP_THRESHOLD, size) for size in LARGEST)
    return bool(mallopt(TRIM_THRESHOLD, 2**31 - 1)) and kept
