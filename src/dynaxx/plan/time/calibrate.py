"""Calibrates this machine: times operations, then whole networks, until time is up."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import torch

from dynaxx.plan.time.clock import ProbedClock
from dynaxx.plan.time.features import Point
from dynaxx.plan.time.fitting import USUAL, Timed, fit_of
from dynaxx.plan.time.half_timing import half_timings, halves, learned
from dynaxx.plan.time.kept import machine_name
from dynaxx.plan.time.networks import trials
from dynaxx.plan.time.probes import probes
from dynaxx.plan.time.residual import drift_of
from dynaxx.plan.time.stopwatch import seconds_of
from dynaxx.plan.time.surface import Surface
from dynaxx.plan.time.transfer_probe import transfer_of
from dynaxx.signal.device import same_draws_after

BUDGET_S = 60.0
"""A calibration ends within this; what was not probed by then is told from what was."""
NETWORKS_SHARE = 0.6
"""Of the budget; the rest is for single operations."""
HALVES_SHARE, HALVED_SHARE = 0.02, 0.012
"""Of the budget, for operations and for networks in half precision."""
MOST_S = 0.15
"""A network that is told to take longer is not timed: in the same time several others say more."""
EVERY = 4
"""Networks of a mode between two timings of the same one."""
Told = Callable[[str, float], None]


def calibrate(device: torch.device, *, budget_s: float = BUDGET_S, on_probe: Told | None = None) -> ProbedClock:
    """Time this machine; `on_probe` is called with what is timed and the share of the budget that is used."""
    start = time.perf_counter()

    def used() -> float:
        return (time.perf_counter() - start) / budget_s

    with same_draws_after(device):  # who draws numbers after us draws what it would have drawn
        surfaces = _surfaces(device, used, on_probe)
        half = halves(device, surfaces, budget_s=HALVES_SHARE * budget_s)
        clock = ProbedClock(machine_name(device), surfaces, halves=half, transfer=transfer_of(device))
        halved = half_timings(clock, device, budget_s=HALVED_SHARE * budget_s)
        timed, drift = _networks(clock, device, used, on_probe)
    sample, train = (fit_of(timed[mode], usual, drift) for mode, usual in USUAL.items())
    return learned(replace(clock, sample=sample, train=train), halved)


def _networks(
    clock: ProbedClock, device: torch.device, used: Callable[[], float], on_probe: Told | None
) -> tuple[dict[str, list[Timed]], float]:
    """Whole networks by mode, until time is up; one of them again and again, which tells how steady the machine is."""
    timed, pulse, again = defaultdict[str, list[Timed]](list), list[float](), None
    for trial in trials(device):
        if used() > 0.95:
            break
        sums = clock.sums(trial.profile, trial.work, trial.batch, trial.size)
        if USUAL[trial.mode].seconds(sums) > MOST_S:
            continue
        timed[trial.mode].append(Timed(sums, seconds_of(trial.run, device), trial.batch, trial.size))
        again = again or trial.run
        pulse += [seconds_of(again, device)] if len(timed[trial.mode]) % EVERY == 0 else []
        if on_probe:
            on_probe(f"network, {trial.mode}", used())
    return timed, drift_of(pulse)


def _surfaces(device: torch.device, used: Callable[[], float], on_probe: Told | None) -> dict[str, Surface]:
    points, seconds = defaultdict[str, list[Point]](list), defaultdict[str, list[float]](list)
    with torch.no_grad():
        for group, point, work in _spread_out(device):
            if used() > 1 - NETWORKS_SHARE and len(points[group]) > 3:
                continue
            points[group].append(point)
            seconds[group].append(seconds_of(work, device))
            if on_probe:
                on_probe(group, used())
    return {group: Surface.of(points[group], seconds[group]) for group in points}


def _spread_out(device: torch.device) -> list[tuple[str, Point, Callable[[], object]]]:
    """The probes, every group's first before any group's second, so that a budget cuts all groups alike."""
    turn, found = defaultdict[str, int](int), list[tuple[int, tuple[str, Point, Callable[[], object]]]]()
    for probe in probes(device):
        found.append((turn[probe[0]], probe))
        turn[probe[0]] += 1
    return [probe for _, probe in sorted(found, key=lambda item: item[0])]
