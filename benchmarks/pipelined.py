"""How near two workers, each with one stage and the batches passing through, come to the bound sum(t) / max(t)."""

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
from dynaxx.spec.files import parse
from dynaxx.stage.stage import Request

BATCHES, BATCH = 16, 2
SHARES = {"base": 1.0, "up": 0.8}
"""How long the stages take, relative to each other."""
SPREAD = {"base": ("cpu:0",), "up": ("cpu:1",)}


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


def cascade(seconds: float, *, computes: bool, spread: bool) -> Cascade:
    """Two stages, on one worker or on two."""
    options = {name: {"seconds": share * seconds, "computes": computes} for name, share in SHARES.items()}
    stage = {"kind": "custom", "target": "pipelined:Busy"}
    base = stage | {"name": "base", "role": "base", "options": options["base"], "out": {"size": [4, 4]}}
    up = stage | {"name": "up", "role": "bridge", "from": "base", "options": options["up"], "out": {"scale": 2}}
    runtime = Runtime(device="cpu", batch_size=BATCH, spread=SPREAD if spread else None)
    return Cascade.from_spec(parse({"name": "two", "stages": [base, up]}), runtime=runtime)


def measure(seconds: float, batches: int, repeats: int, *, computes: bool) -> list[timing.Result]:
    """One worker and two in turn; what each stage takes is read from the trace of the single worker."""
    one, two = (cascade(seconds, computes=computes, spread=spread) for spread in (False, True))
    bounds: list[float] = []

    def alone() -> None:
        nodes = one.sample(num=batches * BATCH).trace.nodes
        bounds.append(sum(node.latency_s for node in nodes) / max(node.latency_s for node in nodes))

    times = timing.alternate({"one": alone, "two": lambda: two.sample(num=batches * BATCH)}, repeats)
    speed = [a / b for a, b in zip(times["one"], times["two"], strict=True)]
    shares = [gain / bound for gain, bound in zip(speed, bounds[-repeats:], strict=True)]
    return [
        timing.median("share_of_bound", shares, "1", target=0.85),
        timing.median("speed_vs_one_worker", speed, "1", peer=statistics.median(bounds)),
    ]


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
