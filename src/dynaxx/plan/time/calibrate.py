"""Calibrates this machine: times operations, then whole networks, and keeps both in the cache folder."""

from __future__ import annotations

import itertools
import math
import platform
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dynaxx.metrics.student import t_quantile
from dynaxx.plan.time.clock import Fit, ProbedClock, Sums
from dynaxx.plan.time.features import Point
from dynaxx.plan.time.half_timing import half_networks, halves, learned
from dynaxx.plan.time.interval import LEAST_SPREAD, Z90
from dynaxx.plan.time.networks import trials
from dynaxx.plan.time.observed import Observed
from dynaxx.plan.time.probes import probes
from dynaxx.plan.time.residual import DRIFT, FEW, Residual, coordinates, drift_of
from dynaxx.plan.time.stopwatch import seconds_of
from dynaxx.plan.time.surface import Surface
from dynaxx.plan.time.transfer_probe import transfer_of
from dynaxx.signal.device import apart, name_of
from dynaxx.store.cache import cache_folder, recall, remember

BUDGET_S = 60.0
"""A calibration ends within this; what was not probed by then is told from what was."""
NETWORKS_SHARE = 0.6
"""Of the budget; the rest is for single operations."""
HALVES_SHARE, HALVED_SHARE = 0.02, 0.012
"""Of the budget, for operations and for networks in half precision."""
FORMAT = 6
MOST_S = 0.15
"""A network that is told to take longer is not timed: in the same time several others say more."""
USUAL = {"sample": Fit(), "train": Fit(weight_s=3e-9)}
"""What shares usually are: where networks say nothing else, they stay so. Of a few server CPUs."""
LOOSE = (0.3, 0.3, 0.3, 1.0, 8e-6, 3e-9)
"""How far shares may be from what they usually are."""
NOISE = 0.07
"""What is left of a network's time when all shares are right, relative."""
EVERY = 4
"""Networks of a mode between two timings of the same one."""
Told = Callable[[str, float], None]
Row = tuple[float, ...]
"""Of a network: its sums, and the seconds it really took."""


class Timed(NamedTuple):
    """One network: the sums of its operations, the seconds it took, and how it was run."""

    sums: Sums
    took_s: float
    batch: int
    size: tuple[int, ...]


def calibrate(device: torch.device, *, budget_s: float = BUDGET_S, on_probe: Told | None = None) -> ProbedClock:
    """Time this machine; `on_probe` is called with what is timed and the share of the budget that is used."""
    start = time.perf_counter()

    def used() -> float:
        return (time.perf_counter() - start) / budget_s

    surfaces = _surfaces(device, used, on_probe)
    half = halves(device, surfaces, budget_s=HALVES_SHARE * budget_s)
    clock = ProbedClock(machine_name(device), surfaces, halves=half, transfer=transfer_of(device))
    halved = half_networks(clock, device, budget_s=HALVED_SHARE * budget_s)
    timed, drift = _networks(clock, device, used, on_probe)
    sample, train = (_learned(timed[mode], usual, drift) for mode, usual in USUAL.items())
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
    torch.manual_seed(0)
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


def _learned(timed: Sequence[Timed], usual: Fit, drift: float) -> Fit:
    """The shares, and what they leave where there are networks enough."""
    if len(timed) < 2:
        return usual
    fit = fitted([(*one.sums, one.took_s) for one in timed], usual)
    return fit if len(timed) < FEW else with_residual(fit, timed, drift)


def with_residual(fit: Fit, timed: Sequence[Timed], drift: float = DRIFT) -> Fit:
    """A fit that knows what it gets wrong of each network."""
    points = [coordinates(one.sums, fit.shares, one.batch, one.size) for one in timed]
    rests = [math.log(one.took_s / max(fit.seconds(one.sums), 1e-9)) for one in timed]
    return replace(fit, residual=Residual.of(points, rests, fit.spread, drift))


def fitted(rows: Sequence[Row], usual: Fit = USUAL["sample"]) -> Fit:
    """The shares that bring the sums closest to what networks took, relative, and not far from the usual ones.

    The spread is what leaving one network out gets wrong, widened for how few they are (Student's t).
    """
    table = np.array(rows, dtype=np.float64)
    left = []
    for i in range(len(table)):
        others = np.delete(table, i, axis=0)
        left.append(math.log(float(table[i, -1] / max(table[i, :-1] @ _shares(others, usual), 1e-9))))
    few = t_quantile(0.90, len(left) - 1) / Z90
    spread = few * float(np.sqrt(np.mean(np.square(left)) * (1 + 1 / len(left))))
    conv, alone, attention, moving, call_s, weight_s = (float(share) for share in _shares(table, usual))
    return Fit(conv, alone, attention, moving, call_s, weight_s, max(spread, LEAST_SPREAD))


def _shares(table: NDArray[np.float64], usual: Fit) -> NDArray[np.float64]:
    """Least squares of `1 = sums @ shares / seconds` over shares of 0 or more, each drawn to its usual value.

    What few networks cannot tell apart (calls from what moves bytes, say) stays near what it usually is.
    """
    held, loose = np.array(usual.shares), np.array(LOOSE)
    parts = np.vstack([table[:, :-1] / table[:, -1:] / NOISE, np.diag(1 / loose)])
    wanted = np.concatenate([np.full(len(table), 1 / NOISE), held / loose])
    count = len(held)
    best, least = held, math.inf
    for chosen in (c for n in range(count, 0, -1) for c in itertools.combinations(range(count), n)):
        found = np.linalg.lstsq(parts[:, chosen], wanted, rcond=None)[0]
        error = float(np.square(parts[:, chosen] @ found - wanted).sum())
        if (found >= 0).all() and error < least:
            best, least = np.zeros(count), error
            best[list(chosen)] = found
        if len(chosen) == count and (found >= 0).all():
            break  # no bound holds
    return best


def machine_name(device: torch.device) -> str:
    """The device, as people call it, with what its speed depends on."""
    if apart(device):
        return f"{name_of(device) or f'{device.type} of {_cpu_name()}'}, torch {torch.__version__}"
    return f"{_cpu_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _place(device: torch.device, ending: str = "") -> Path:
    name = blake2b(f"{FORMAT} {machine_name(device)}".encode(), digest_size=8).hexdigest()
    return cache_folder("machines", f"{name}{ending}.json")


def observed(device: torch.device) -> Observed:
    """The runs that were seen on this machine since it was calibrated."""
    return Observed.read(_place(device, "-observed"))


def keep(clock: ProbedClock, device: torch.device) -> bool:
    """Keep a calibration for the next time; say whether it could be. Runs that were held against another are let go."""
    kept = remember(_place(device), clock.to_json())
    if kept:
        with suppress(OSError):
            _place(device, "-observed").unlink(missing_ok=True)
    return kept


def calibrated(device: torch.device) -> ProbedClock | None:
    """This machine's calibration, or None where there is none."""
    found = recall(_place(device))
    return None if found is None else ProbedClock.from_json(found)
