"""Seconds of a piece of work, as far as possible its own and not its neighbours'."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch

from dynaxx.signal.device import synchronize

RUNS = 3
LEAST_S = 1e-3
"""A run is as many calls as fill this."""
LONG_S = 5e-3
"""One call that takes longer than this is timed once more, no oftener."""


def seconds_of(
    work: Callable[[], object], device: torch.device, *, runs: int = RUNS, slow_s: float = math.inf
) -> float:
    """The best of a few runs after a first one: neighbours only slow down. A slow one is not run again.

    A single thread on a CPU is timed by the processor time it got, which on a machine of its own is the same.
    """
    work()
    first = _timed(work, 1, device)
    if first > slow_s:
        return first
    calls = max(1, min(50, int(LEAST_S / max(first, 1e-7))))
    again = min(_timed(work, calls, device) for _ in range(1 if first > LONG_S else runs))
    return min(first, again)


def _timed(work: Callable[[], object], calls: int, device: torch.device) -> float:
    now = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    synchronize(device)  # what was asked for before may still be running
    start = now()
    for _ in range(calls):
        work()
    synchronize(device)
    return (now() - start) / calls
