"""Times half precision on a machine: single operations beside float32's surfaces, then a few whole networks."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch

from dynaxx.plan.time.clock import ProbedClock, Sums, computing_calls
from dynaxx.plan.time.features import Point
from dynaxx.plan.time.half_networks import half_trials
from dynaxx.plan.time.half_probes import half_probes
from dynaxx.plan.time.halves import Half, Ratio
from dynaxx.plan.time.stopwatch import seconds_of
from dynaxx.plan.time.surface import Surface

FORMATS = ("bfloat16", "float16")
SLOW_S = 0.02
"""What takes longer than this is timed once, no oftener: half precision may be a hundred times slower than float32."""
MOST_S = 0.06
"""An operation that would take longer than this, told from the last one of its group, is not run at all."""
NETWORK_S = 0.15
"""Nor is a network that would take longer than this."""


def halves(device: torch.device, surfaces: Mapping[str, Surface], *, budget_s: float) -> dict[str, Half]:
    """Every format by its operations, each within half of the budget, but for the first of every group."""
    return {dtype: Half(_ratios(device, dtype, surfaces, budget_s / len(FORMATS))) for dtype in FORMATS}


def _ratios(device: torch.device, dtype: str, surfaces: Mapping[str, Surface], budget_s: float) -> dict[str, Ratio]:
    start, found = time.perf_counter(), defaultdict[str, list[tuple[Point, float]]](list)
    with torch.no_grad():
        for group, point, work in half_probes(device, getattr(torch, dtype)):
            before = found[group]
            if before and time.perf_counter() - start > budget_s:
                break
            if group in surfaces and not (before and _would(*before[-1], point) > MOST_S):
                before.append((point, seconds_of(work, device, slow_s=SLOW_S)))
    return {group: Ratio.of(timed, surfaces[group]) for group, timed in found.items() if timed}


def _would(point: Point, seconds: float, other: Point) -> float:
    """What an operation would take at the rate of another one of its group."""
    return seconds * math.exp(sum(other) - sum(point))


class HalfTimed(NamedTuple):
    """One network in one format: the sums of its operations, how many of them compute, the seconds it took."""

    dtype: str
    sums: Sums
    calls: float
    took_s: float


def half_timings(clock: ProbedClock, device: torch.device, *, budget_s: float) -> list[HalfTimed]:
    """As many small networks as there is time for, the first in any case; none that would take long."""
    start, found = time.perf_counter(), list[HalfTimed]()
    for trial in half_trials():
        for dtype, half in clock.halves.items():
            work = trial.profile.evaluations[1]
            sums, calls = clock.sums(trial.in_format(dtype), work, 1, trial.size), computing_calls(work)
            if half.told(clock.sample.seconds(sums), calls).value < NETWORK_S:
                with torch.no_grad():
                    took = seconds_of(trial.work(getattr(torch, dtype), device), device, slow_s=SLOW_S)
                found.append(HalfTimed(dtype, sums, calls, took))
        if time.perf_counter() - start > budget_s:
            break
    return found


def learned(clock: ProbedClock, timed: Sequence[HalfTimed]) -> ProbedClock:
    """The clock, half precision set right by networks, once float32's own shares are known."""
    known = [(one.dtype, (clock.sample.seconds(one.sums), one.calls, one.took_s)) for one in timed]
    rows = {dtype: [row for other, row in known if other == dtype] for dtype in clock.halves}
    return replace(clock, halves={dtype: half.learned(rows[dtype]) for dtype, half in clock.halves.items()})
