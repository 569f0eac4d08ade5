"""How near two workers with a stage each, and three with a replica, come to the most that batches can pass through."""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

import timing
import torch

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.plan.assign import Load, bottleneck_s
from dynaxx.spec.files import parse
from dynaxx.stage.stage import Request

BATCHES, BATCH = 16, 2
SHARES = {"base": 1.0, "up": 0.8}
"""How long the stages take, relative to each other."""
SPREAD = {"base": ("cpu:0",), "up": ("cpu:1",)}
UNEVEN = {"base": 0.5, "up": 1.0}
"""The same where one stage deserves a replica."""
THREE = ("cpu:0", "cpu:1", "cpu:2")


class Busy:
    """A stage that keeps its worker busy: with matrix products, or by being waited for, as a device elsewhere is."""

    def __init__(self, spec: Any, grid: Any) -> None:
        self.seconds, self.computes = float(spec.options["seconds"]), bool(spec.options["computes"])

    def run(self, request: Request) -> torch.Tensor:
        """Noise, after as long as the stage takes."""
        if not self.computes:
            time.sleep(self.seconds)
        until = time.thread_time() + (self.seconds if self.computes else 0)
        x = torch.randn(256, 256)
        while time.thread_time() < until:
            x = torch.nn.functional.normalize(x @ x)
        return request.draws.normal("x", request.grid.shape)

    def to(self, device: torch.device) -> None:
        """It holds nothing."""


def cascade(seconds: float, shares: dict[str, float], *, computes: bool, spread: Any = None) -> Cascade:
    """Two stages, on one worker or on several."""
    options = {name: {"seconds": share * seconds, "computes": computes} for name, share in shares.items()}
    stage = {"kind": "custom", "target": "pipelined:Busy"}
    base = stage | {"name": "base", "role": "base", "options": options["base"], "out": {"size": [4, 4]}}
    up = stage | {"name": "up", "role": "bridge", "from": "base", "options": options["up"], "out": {"scale": 2}}
    runtime = Runtime(device="cpu", batch_size=BATCH, spread=spread)
    return Cascade.from_spec(parse({"name": "two", "stages": [base, up]}), runtime=runtime)


def measure(seconds: float, batches: int, repeats: int, *, computes: bool) -> list[timing.Result]:
    """One worker and several in turn; what each stage takes is read from the trace of the single worker.

    Three workers are never asked to compute, as hardly a machine has cores for them; they choose who holds what.
    """
    share, speed, bound = gains(seconds, batches, repeats, SHARES, SPREAD, computes=computes)
    replicas, *_ = gains(seconds, batches, repeats, UNEVEN, THREE, computes=False)
    return [
        timing.median("share_of_bound", share, "1", target=0.85),
        timing.median("speed_vs_one_worker", speed, "1", peer=statistics.median(bound)),
        timing.median("share_of_bound_replicas", replicas, "1", target=0.85),
    ]


def gains(
    seconds: float, batches: int, repeats: int, shares: dict[str, float], spread: Any, *, computes: bool
) -> tuple[list[float], list[float], list[float]]:
    """The share of the bound that several workers reach, their speed over one, and the bound, by repetition."""
    one, several = (cascade(seconds, shares, computes=computes, spread=devices) for devices in (None, spread))
    bounds: list[float] = []

    held = several.sample(num=batches * BATCH).trace.spread

    def alone() -> None:
        loads = {node.stage: Load(node.latency_s, None) for node in one.sample(num=batches * BATCH).trace.nodes}
        bounds.append(sum(load.latency_s for load in loads.values()) / bottleneck_s(loads, held))

    times = timing.alternate({"one": alone, "several": lambda: several.sample(num=batches * BATCH)}, repeats)
    speed = [a / b for a, b in zip(times["one"], times["several"], strict=True)]
    last = bounds[-repeats:]
    return [gain / bound for gain, bound in zip(speed, last, strict=True)], speed, last


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    parser.add_argument(
        "--wait", action="store_true", help="stages wait instead of computing, also where cores are free"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    cores, before = len(os.sched_getaffinity(0)), timing.load()
    computes = cores > 1 and not options.wait
    results = measure(0.05, BATCHES, 3 if options.quick else 9, computes=computes)
    device = f"cpu, {cores} cores, stages that {'compute' if computes else 'are waited for'}"
    timing.report("pipelined", device, results, as_json=options.json, before=before)


if __name__ == "__main__":
    main()
