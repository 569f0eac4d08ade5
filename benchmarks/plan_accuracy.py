"""How right the plan is: memory and time of random stages and cascades against the allocator, the system and the clock.

    python benchmarks/plan_accuracy.py --json

`memory_error`: |plan - truth| / truth of the live tensors' bytes at their peak, the mean over stages, sampled and
trained. `allocator_error`: the same for all that torch's CPU allocator gives out, kernels' own copies included.
`resident_error`: the same for the growth of the resident set of a process of its own above its imports.
`time_error`: the median of |plan - clock| / clock after a calibration; `interval_coverage`: the share of 90% intervals
that hold; `half_width`: their median half-width; `half_time_error` and `half_coverage`: the same of networks as in
pretrained pipelines, in half precision. Peers: the rules of accelerate's estimator (`peer`), and torch's
MemTracker under fake tensors on a few of the same stages. (Torch's time estimator needs a GPU.) Of a full run 40% of
the time at most is for memory and half for time; `n` says how many stages and modes that were.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import importlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import timing
from drawn_stages import CPU, Setting, large, settings, tiny, work_of
from half_stages import evaluations
from meter import held

from dynaxx.cli.allocator import keep_freed_memory
from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.plan.predict import plan_run
from dynaxx.plan.profiles import profile_of
from dynaxx.plan.resident import resident_bytes
from dynaxx.plan.time.calibrate import calibrate
from dynaxx.plan.time.clock import ProbedClock
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.time.stopwatch import seconds_of
from dynaxx.spec.files import parse
from dynaxx.spec.graph import nodes
from dynaxx.stage.build import build_bare


def resident(work: Callable[[], object]) -> list[int]:
    """How far the resident set rose above what it was before."""
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    before = status("VmRSS")
    work()
    return [status("VmHWM") - before]


def status(key: str) -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith(key))


def aside(measure: Callable[[Callable[[], object]], Sequence[int]], work: Callable[[], object]) -> list[int]:
    """A measurement in a process of its own, which has imported all and done nothing."""
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, json.dumps(measure(work)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    told = os.read(reading, 4096)
    os.waitpid(child, 0)
    os.close(reading)
    if not told:
        raise RuntimeError("a measurement failed")
    return list(json.loads(told))


def planned_bytes(setting: Setting, *, on_cpu: bool = True) -> float:
    """What the plan says is held at once, a CPU's kernels' copies included or not."""
    found = profile_of(setting.node, setting.spec.condition, mode=setting.mode)  # type: ignore[arg-type]
    return found.peak_bytes(setting.batch, setting.node.grid.size, on_cpu=on_cpu)


def grown_bytes(setting: Setting) -> float:
    """What the plan says that a process grows to above its imports; in training all that it holds comes and goes."""
    held, mode = planned_bytes(setting), setting.mode
    weights = profile_of(setting.node, setting.spec.condition).weights if mode == "sample" else 0
    return resident_bytes(held, held - weights, mode)  # type: ignore[arg-type]


def import_all(least: Setting) -> None:
    """Import what sampling and training import while they run, found in a process that does both."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as listed:

        def names(work: Callable[[], object]) -> list[int]:
            before = set(sys.modules)
            work()
            work_of(Setting(least.spec, least.node, 1, "train"))()
            Path(listed.name).write_text(json.dumps(sorted(set(sys.modules) - before)))
            return [0]

        aside(names, work_of(least))
        for name in json.load(listed):
            with contextlib.suppress(ImportError):  # names that a library gives its own modules
                importlib.import_module(name)


def accelerate_bytes(setting: Setting) -> float:
    """Accelerate's rules: the weights, and four times as much to train with Adam."""
    from accelerate.commands.estimate import estimate_training_usage
    from accelerate.utils import calculate_maximum_sizes

    stage: Any = build_bare(setting.node, setting.spec.condition, setting.node.grid)
    weights, _ = calculate_maximum_sizes(stage.network)
    if setting.mode == "sample":
        return float(weights)
    return float(max(estimate_training_usage(weights, "float32").values()))


def tracked_bytes(setting: Setting) -> tuple[float, float]:
    """Torch's MemTracker over the same work under fake tensors, and the seconds it took."""
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.distributed._tools.mem_tracker import MemTracker

    start = time.perf_counter()
    with FakeTensorMode():
        tracker = MemTracker()
        with tracker:
            work_of(setting, steps=1)()
        peak = tracker.get_tracker_snapshot("peak")
    return float(sum(snap["Total"] for snap in peak.values())), time.perf_counter() - start


Within = Callable[[Iterable[Any]], Iterator[Any]]


def within(budget_s: float) -> Within:
    """Lets items through until so many seconds are over, two at least: a full run ends in time on any machine."""
    start = time.perf_counter()

    def let(items: Iterable[Any]) -> Iterator[Any]:
        for index, item in enumerate(items):
            if index > 1 and time.perf_counter() - start > budget_s:
                return
            yield item

    return let


class Truth(NamedTuple):
    """Bytes at their peak."""

    allocated: int
    tensors: int
    resident: int


def memory(count: int, peers: int, seed: int, let: Within) -> list[timing.Result]:
    """Errors of memory; everything is measured before the parent has done anything but import."""
    keep_freed_memory()  # as commands do
    made = settings(count, seed, memory=True)
    both = [Setting(one.spec, one.node, one.batch, mode) for one in made for mode in ("sample", "train")]
    import_all(tiny())
    truth = [Truth(*aside(held, work_of(one)), *aside(resident, work_of(one))) for one in let(both)]
    both = both[: len(truth)]
    plans, firsts = list[float](), list[float]()
    for one in both:
        began = time.process_time()
        plans.append(planned_bytes(one))
        firsts.append(time.process_time() - began)
    began, _ = time.process_time(), planned_bytes(large())
    large_s = time.process_time() - began
    again = statistics.median([timed_again(one) for one in both])
    told = list(zip(both, plans, truth, strict=True))
    live = [abs(planned_bytes(one, on_cpu=False) / real.tensors - 1) for one, _, real in told]
    given = [abs(plan / real.allocated - 1) for _, plan, real in told]
    grown = [abs(grown_bytes(one) / real.resident - 1) for one, _, real in told]
    theirs = [abs(accelerate_bytes(one) / real.tensors - 1) for one, _, real in told]
    found = [
        mean("memory_error", live, target=0.02, peer=statistics.mean(theirs)),
        mean("allocator_error", given),
        mean("resident_error", grown, target=0.10),
        mean("memory_first_s", firsts, unit="s", target=1.0),
        timing.Result("memory_first_large_s", large_s, "s", large_s, large_s, 1, target=5.0),
        timing.Result("memory_again_s", again, "s", again, again, len(both), target=0.05),
    ]
    if peers:
        trained = [(one, real.tensors) for one, _, real in told if one.mode == "train"]
        found += followed(trained[:peers])
    return found


def followed(trained: Sequence[tuple[Setting, int]]) -> list[timing.Result]:
    """How far MemTracker is off, and how long it takes, on what it can follow."""
    told = list[tuple[float, float]]()
    for one, real in trained:
        try:
            plan, seconds = tracked_bytes(one)
        except (RuntimeError, NotImplementedError) as error:
            print(f"MemTracker cannot follow a stage: {str(error).splitlines()[0]}", file=sys.stderr)
            continue
        told.append((abs(plan / real - 1), seconds))
    if not told:
        return []
    errors, seconds_each = zip(*told, strict=True)
    return [mean("memory_error_memtracker", errors), mean("memtracker_s", seconds_each, unit="s")]


def timed_again(setting: Setting) -> float:
    start = time.perf_counter()
    planned_bytes(setting)
    return time.perf_counter() - start


@dataclass(frozen=True)
class Told:
    """What the plan said and the clock saw, several times."""

    plan: Interval
    seen: list[float]

    @property
    def real(self) -> float:
        return statistics.median(self.seen)

    @property
    def error(self) -> float:
        return abs(self.plan.value / self.real - 1)

    @property
    def held(self) -> float:
        return float(self.plan.low <= self.real <= self.plan.high)

    @property
    def repeating(self) -> float:
        """Half the spread of repeating the same run, relative."""
        return (max(self.seen) - min(self.seen)) / 2 / self.real


def stage_times(clock: ProbedClock, count: int, repeats: int, seed: int, let: Within) -> list[Told]:
    """Stages, sampled and trained."""
    found = list[Told]()
    for one in let(settings(count, seed, memory=False)):
        size, work = one.node.grid.size, work_of(one, steps=1)
        if one.mode == "sample":
            plan = plan_run(one.spec, [one.node], samples=one.batch).nodes[0]
            assert plan.profile is not None
            told = clock.seconds(plan.profile, plan.work, one.batch, size)
        else:
            step = profile_of(one.node, one.spec.condition, mode="train")
            told = clock.seconds(step, step.parts[0], one.batch, size)
        found.append(Told(told, [seconds_of(work, CPU, runs=1) for _ in range(repeats)]))
    return found


def cascade_times(clock: ProbedClock, count: int, repeats: int, seed: int, let: Within) -> list[Told]:
    """Whole cascades of two to four stages."""
    rng, found = random.Random(seed), list[Told]()
    for _ in let(range(count)):
        stages: list[dict[str, Any]] = []
        for i in range(rng.choice([2, 3, 4])):
            network = {"width": rng.choice([16, 24, 32]), "mults": [1, 2], "blocks": 1, "attention": []}
            stage = {"name": f"s{i}", "role": "bridge" if i else "base", "network": network, "solver": {"steps": 3}}
            stages.append(stage | ({"from": f"s{i - 1}", "out": {"scale": 2}} if i else {"out": {"size": [8, 8]}}))
        spec, batch = parse({"name": "x", "stages": stages}), rng.choice([1, 2, 4])
        cascade = Cascade.from_spec(spec, runtime=Runtime(batch_size=batch), fresh=True)
        run, total = plan_run(spec, nodes(spec), samples=batch, batch=batch), Interval(0.0, 0.0, 0.0)
        for plan in run.nodes:
            assert plan.profile is not None
            size = plan.node.grid.size
            total = total.plus(clock.seconds(plan.profile, plan.work, batch, size))
        seen = [seconds_of(lambda c=cascade, n=batch: c.sample(num=n), CPU, runs=1) for _ in range(repeats)]  # type: ignore[misc]
        found.append(Told(total, seen))
    return found


def half_times(clock: ProbedClock, count: int, repeats: int, seed: int) -> list[Told]:
    """Networks of pretrained pipelines in half precision; none is run that is told to take longer than a second."""
    found = list[Told]()
    for one in evaluations(count, seed):
        told = clock.seconds(one.profile, one.profile.evaluations[1], 1, one.size)
        if told.value < 1.0:
            found.append(Told(told, [seconds_of(one.run, CPU, runs=1) for _ in range(repeats)]))
    return found


def times(count: int, cascades: int, repeats: int, budget_s: float, seed: int, let: Within) -> list[timing.Result]:
    """Errors of time after a calibration."""
    keep_freed_memory()  # as commands do: else buffers cost less and less while a process gets older
    start = time.perf_counter()
    clock = calibrate(CPU, budget_s=budget_s)
    took = time.perf_counter() - start
    told = cascade_times(clock, cascades, repeats, seed, let) + stage_times(clock, count, repeats, seed, let)
    widths = [(one.plan.high - one.plan.low) / 2 / one.plan.value for one in told]
    noise = statistics.median(one.repeating for one in told)
    half = half_times(clock, max(4, count // 4), repeats, seed)
    return [
        timing.median("time_error", [one.error for one in told], "", target=max(0.15, 1.5 * noise)),
        mean("interval_coverage", [one.held for one in told], target=0.85),
        timing.median("half_width", widths, "", target=0.20),
        timing.median("repeating", [one.repeating for one in told], ""),
        timing.median("half_time_error", [one.error for one in half], ""),
        mean("half_coverage", [one.held for one in half], target=0.85),
        timing.Result("calibration_s", took, "s", took, took, 1, target=60.0),
    ]


def mean(
    name: str, values: Sequence[float], *, unit: str = "", target: float | None = None, peer: float | None = None
) -> timing.Result:
    """A mean with two standard errors to both sides."""
    value = statistics.mean(values)
    wide = 2 * statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return timing.Result(name, value, unit, value - wide, value + wide, len(values), target, peer)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    parser.add_argument("--only", choices=["memory", "time"], help="one half of it")
    parser.add_argument("--count", type=int, help="stages per half")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=1500.0, help="seconds, by which no further stage is begun")
    options = parser.parse_args()
    before, results = timing.load(), list[timing.Result]()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DYNAXX_CACHE"] = folder
        if options.only != "time":
            count, peers = (2, 0) if options.quick else (options.count or 30, 3)
            results += memory(count, peers, options.seed, within(0.4 * options.budget))
        if options.only != "memory":
            count, cascades = (4, 1) if options.quick else (options.count or 100, 10)
            repeats, budget = (2, 5.0) if options.quick else (3, 60.0)
            results += times(count, cascades, repeats, budget, options.seed, within(0.5 * options.budget))
    timing.report("plan_accuracy", timing.device_name(CPU), results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
