"""Fair timings for the benchmarks: alternating runs, paired ratios with intervals, one JSON object at the end."""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

import torch

from dynaxx.signal.device import accelerator, name_of, synchronize

BUSY = 0.5
"""A machine with more than this load per core before the first run is reported as busy."""


@dataclass(frozen=True)
class Result:
    """One figure: its value, the interval over repetitions, the target and the peer's own figure in the same run.

    Every value is a median and every interval that median's; `peer` is the same statistic of the peer's runs.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    n: int
    target: float | None = None
    peer: float | None = None


def alternate(cases: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every case, `repeats` times each after one warm-up; every round begins with another case."""
    names, times = list(cases), {name: [] for name in cases}
    for name in names:
        timed(cases[name])
    for turn in range(repeats):
        shift = turn % len(names)
        for name in names[shift:] + names[:shift]:
            times[name].append(timed(cases[name]))
    return times


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes, to the end of what it gave the accelerator."""
    start = time.perf_counter()
    work()
    if (found := accelerator()) is not None:
        synchronize(torch.device(found))
    return time.perf_counter() - start


def ratio(
    name: str, ours: Sequence[float], theirs: Sequence[float], *, target: float | None = None, peer: float | None = None
) -> Result:
    """The median over rounds of ours / theirs with its interval: what is slow for both of a round cancels out."""
    return median(name, [a / b for a, b in zip(ours, theirs, strict=True)], "1", target=target, peer=peer)


def median(
    name: str, values: Sequence[float], unit: str, *, target: float | None = None, peer: float | None = None
) -> Result:
    """The median with its interval of at least 95% (order statistics; the extremes below six repetitions)."""
    ordered, n = sorted(values), len(values)
    skip = max(0, int(n / 2 - 0.98 * n**0.5) - 1) if n >= 6 else 0
    return Result(name, statistics.median(ordered), unit, ordered[skip], ordered[-1 - skip], n, target, peer)


def device_name(device: torch.device) -> str:
    """What ran it, in words: the accelerator's name, or the number of CPU threads."""
    return name_of(device) or f"{device.type}, {torch.get_num_threads()} threads"


def load() -> dict[str, object]:
    """The machine's load per core now, and whether that disturbs timings."""
    per_core = os.getloadavg()[0] / (os.cpu_count() or 1)
    return {"per_core": round(per_core, 2), "busy": per_core > BUSY}


def report(
    benchmark: str, device: str, results: Sequence[Result], *, as_json: bool, before: Mapping[str, object]
) -> None:
    """Print the figures, and with `as_json` one object as the last line on stdout."""
    out = sys.stderr if as_json else sys.stdout
    if before["busy"]:
        print(f"The machine was busy ({before['per_core']} per core): take these figures with care.", file=out)
    for r in results:
        target = "" if r.target is None else f"  target {r.target:g}"
        print(f"{r.name:32} {r.value:10.4g} {r.unit:6} [{r.low:.4g}, {r.high:.4g}] n={r.n}{target}", file=out)
    if as_json:
        found = [asdict(result) for result in results]
        print(json.dumps({"benchmark": benchmark, "device": device, "load": dict(before), "results": found}))
