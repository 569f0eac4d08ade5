"""Many tiny cascades trained, saved, sampled and thrown away in one process: does it grow?"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import timing
import torch

from dynaxx.engine.cascade import Cascade
from dynaxx.share.bulk import Job, draw_bulk
from dynaxx.share.tally import Tally
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import loads
from dynaxx.train import Every, train

SETTLED = 0.2
"""The share of rounds before anything is compared: libraries fill their caches first."""
LARGEST_MIB = 8.0
"""Growth over the whole soak that is still taken for the allocator's play."""


@dataclass(frozen=True)
class Reading:
    """What the process held after a round."""

    seconds: float
    rss_mib: float
    files: int
    threads: int


def spec(turn: int) -> CascadeSpec:
    """A base and a bridge that learns from what the base makes; no two rounds in a row have the same networks."""
    network = f"network: {{kind: unet, width: {8 + 8 * (turn % 2)}, mults: [1, 2], blocks: 1, attention: []}}"
    settings = f"{{steps: 6, batch_size: 4, seed: {turn}}}"
    return loads(f"""
name: soak
condition: {{text: {{width: 16, max_tokens: 4}}}}
data: {{kind: shapes, count: {8 + turn % 5}, size: [8, 8]}}
stages:
  - {{name: base, role: base, {network}, train: {settings}, solver: {{steps: 2}}, out: {{size: [4, 4]}}}}
  - name: bridge
    role: bridge
    inputs: {{low: {{from: base, noise: {{train_std: [0.0, 0.5], std: 0.1}}}}}}
    {network}
    train: {settings.replace("}", ", generated: 0.5}")}
    solver: {{steps: 2}}
    out: {{scale: {{hw: 2}}}}
""")


def one_round(folder: Path, turn: int) -> None:
    """Train two stages with six checkpoints and pictures, take one up again, and draw ten samples into a folder."""
    train(spec(turn), out=folder / "run", device="cpu", every=Every(log=2, save=2, preview=3))
    train(spec(turn), out=folder / "run", device="cpu")
    cascade = Cascade.from_pretrained(folder / "run")
    job = Job(prompts=("a red circle", "a blue square"), num=5, batch=4)
    (folder / "samples").mkdir()
    with Tally(folder / "samples", job.facts(cascade)) as tally:
        for _ in draw_bulk(cascade, job, tally):
            pass
    assert len(list((folder / "samples").glob("*.png"))) == 10


def reading(began: float) -> Reading:
    """What the process holds now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    rss, files = pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir("/proc/self/fd"))
    return Reading(time.monotonic() - began, rss, files, max(threading.active_count(), _system_threads()))


def _system_threads() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Threads:"))


def soak(seconds: float, log: Path | None) -> list[Reading]:
    """Rounds until the time is up, a reading after each, and a line of it in `log`."""
    began, found = time.monotonic(), list[Reading]()
    while len(found) < 10 or time.monotonic() - began < seconds:
        folder = Path(tempfile.mkdtemp(prefix="soak-"))
        try:
            one_round(folder, len(found))
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        found.append(reading(began))
        if log:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(found[-1])) + "\n")
    return found


def growth(name: str, values: Sequence[float], unit: str, target: float) -> timing.Result:
    """The median of the last fifth of the rounds less that of the first fifth after the start, with their extremes."""
    part = max(1, int(len(values) * SETTLED))
    before, after = values[part : 2 * part], values[-part:]
    value = statistics.median(after) - statistics.median(before)
    return timing.Result(name, value, unit, min(after) - max(before), max(after) - min(before), len(values), target)


def main() -> None:
    """Soak and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke version of at most a minute")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line on stdout")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--log", type=Path, help="a line of readings after every round")
    options = parser.parse_args()
    before = timing.load()
    found = soak(5.0 if options.quick else 60 * options.minutes, options.log)
    results = [
        growth("rss_growth", [r.rss_mib for r in found], "MiB", LARGEST_MIB),
        growth("files_growth", [r.files for r in found], "1", 0),
        growth("threads_growth", [r.threads for r in found], "1", 0),
    ]
    timing.report("soak", timing.device_name(torch.device("cpu")), results, as_json=options.json, before=before)
    grown = [result.name for result in results if result.target is not None and result.value > result.target]
    sys.exit(f"grew: {', '.join(grown)}" if grown and not options.quick else 0)


if __name__ == "__main__":
    main()
