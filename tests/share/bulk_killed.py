"""Run by `test_bulk_killed.py` in a process of its own: 500 samples, the child that draws them killed five times."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from dynaxx.engine.cascade import Cascade
from dynaxx.share.bulk import Job, draw_bulk
from dynaxx.share.tally import Tally
from dynaxx.spec.files import loads

SPEC = loads("""
name: waves
condition: {text: {}}
stages:
  - {name: base, role: base, kind: gaussian, size: [16, 16], solver: {steps: 4}, out: {size: [16, 16]}}
""")
JOB = Job(prompts=tuple(f"wave {i}" for i in range(500)), batch=16)
KILLS = (2, 8, 13, 21, 30)
"""After so many batches were begun, those that were begun twice counted twice."""


def draw(folder: Path, begun: Path) -> None:
    """Draw what the folder lacks; a byte in `begun` for each batch."""
    cascade, file = Cascade.from_spec(SPEC), os.open(begun, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    folder.mkdir(exist_ok=True)
    with Tally(folder, JOB.facts(cascade)) as tally:
        for _ in draw_bulk(cascade, JOB, tally, on_step=lambda name, step: step.index or os.write(file, b".")):
            pass


def count(begun: Path) -> int:
    return begun.stat().st_size if begun.exists() else 0


def forked(folder: Path, begun: Path, kill_after: int | None, chance: random.Random) -> int:
    """The exit status of a child that draws, killed shortly after it has begun so many batches."""
    child = os.fork()
    if child == 0:
        draw(folder, begun)
        os._exit(0)
    while kill_after is not None and count(begun) < kill_after:
        time.sleep(0.0005)
    if kill_after is not None:
        time.sleep(chance.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def main(place: Path) -> None:
    """Kill, go on, compare."""
    chance, broken, straight = random.Random(0), place / "broken", place / "straight"
    kills = [forked(broken, place / "begun", number, chance) == signal.SIGKILL for number in KILLS]
    ends = [forked(broken, place / "begun", None, chance), forked(straight, place / "all", None, chance)]
    names = sorted(path.name for path in broken.iterdir())
    lines = [json.loads(line)["batch"] for line in (broken / "done.jsonl").read_text().splitlines()]
    same = names == sorted(path.name for path in straight.iterdir()) and all(
        (broken / name).read_bytes() == (straight / name).read_bytes() for name in names if name != "done.jsonl"
    )
    found = {
        "kills": sum(kills), "ends": ends, "pictures": sum(name.endswith(".png") for name in names), "same": same,
        "batches": lines, "begun": count(place / "begun"), "leftovers": [name for name in names if ".part" in name],
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
