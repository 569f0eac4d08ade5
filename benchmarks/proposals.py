"""Do proposals keep their word: what `dynaxx plan --target` proposes for budgets on this machine, built and run.

    python benchmarks/proposals.py --json

`inside`: the share of proposals whose real time of a sample lies in the predicted 90% interval; `time_error`: the
median of |plan - clock| / clock; `in_budget`: the share that keep the latency that was asked for, where one was;
`checked`: the share whose file passes `dynaxx check`. Calibrates first (--calibration S).
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import timing
import torch
from timing import Result

from dynaxx.cli import run
from dynaxx.cli.allocator import keep_freed_memory
from dynaxx.engine.cascade import Cascade
from dynaxx.plan.propose.choose import propose
from dynaxx.plan.propose.target import Budget, Target
from dynaxx.plan.time.calibrate import calibrate
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.time.kept import keep
from dynaxx.plan.time.stopwatch import seconds_of
from dynaxx.spec.files import dump

CPU = torch.device("cpu")
BUDGETS: tuple[tuple[tuple[int, ...], dict[str, float]], ...] = (
    ((32, 32), {"latency_s": 0.2}), ((32, 32), {"memory_gib": 0.05}), ((64, 64), {"latency_s": 1.0}),
    ((64, 64), {"latency_s": 0.3}), ((64, 64), {"train_hours": 12.0}), ((48, 96), {"latency_s": 1.0}),
    ((1024,), {"latency_s": 0.5}), ((8, 32, 32), {"latency_s": 2.0}), ((128, 128), {"latency_s": 2.0}),
    ((64, 64), {"memory_gib": 0.1}),
)  # fmt: skip
REPEATS = 3


@dataclass(frozen=True)
class Kept:
    """What was proposed for one budget, and what a sample really took."""

    told: Interval
    real: float
    bound: float | None
    sound: bool

    @property
    def inside(self) -> bool:
        return self.told.low <= self.real <= self.told.high


def tried(size: tuple[int, ...], bounds: dict[str, float], folder: Path) -> Kept:
    """Propose, write, check, build with random weights, and run."""
    found = propose(Target(size), Budget(**bounds), device="cpu")
    file = folder / f"{'x'.join(map(str, size))}-{'-'.join(bounds)}-{len(list(folder.iterdir()))}.yaml"
    file.write_text(dump(found.spec), "utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        sound = run(["check", str(file), "--json"]) == 0
    cascade = Cascade.from_spec(found.spec, fresh=True)
    real = statistics.median(seconds_of(lambda: cascade.sample("a red apple"), CPU, runs=1) for _ in range(REPEATS))
    return Kept(found.best.latency_s, real, bounds.get("latency_s"), sound)


def share(name: str, held: list[bool], *, target: float | None = None) -> Result:
    value = sum(held) / len(held)
    wide = 2 * (value * (1 - value) / len(held)) ** 0.5
    return Result(name, value, "1", max(0.0, value - wide), min(1.0, value + wide), len(held), target)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calibration", type=float, default=60.0, help="seconds to calibrate")
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute: two budgets")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    options = parser.parse_args()
    before, found = timing.load(), list[Kept]()
    keep_freed_memory()  # as commands do
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DYNAXX_CACHE"] = folder
        keep(calibrate(CPU, budget_s=5.0 if options.quick else options.calibration), CPU)
        files = Path(folder, "files")
        files.mkdir()
        for size, bounds in BUDGETS[: 2 if options.quick else None]:
            found.append(tried(size, bounds, files))
            one = found[-1]
            print(
                f"{size} {bounds}: told {one.told.low:.3g} to {one.told.high:.3g} s, took {one.real:.3g} s", flush=True
            )
    errors = [abs(one.told.value / one.real - 1) for one in found]
    results = [
        share("inside", [one.inside for one in found], target=0.85),
        timing.median("time_error", errors, "1", target=0.15),
        share("in_budget", [one.real <= one.bound for one in found if one.bound is not None]),
        share("checked", [one.sound for one in found], target=1.0),
    ]
    timing.report("proposals", timing.device_name(CPU), results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
