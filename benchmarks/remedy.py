"""How much of what a wrong level costs comes back, when the lens sets it right? On samples that its sweep did not see.

A cascade's level is set wrong, swept, and what the sweep says is applied as `dynaxx lens --apply` does. With J the
score of the sweep (distance to the truth, and straying from the low input), on fresh signals and random numbers,

    recovered_share = (J wrong - J applied) / (J wrong - J as it was)

for the bundled cascade's bridge at the far end of the range that it was trained on, and for an exact Gaussian one.
The interval is that of what was recovered, over what was lost.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import timing
import torch
from healthy import gaussian

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.evolve.apply import FRESH, Applied, apply
from dynaxx.lens.bench import Bench
from dynaxx.lens.open import Options, look
from dynaxx.lens.reference import find
from dynaxx.lens.settings import settings
from dynaxx.lens.sweep import score, sweep
from dynaxx.lens.taps import Taps

TARGET = 0.8


@dataclass(frozen=True)
class Case:
    """A healthy cascade, the level that is set wrong, and on how many samples that is seen and measured."""

    name: str
    cascade: Cascade
    path: str
    wrong: float
    num: int


def exact() -> Case:
    """An exact cascade: any level is right for it, and the least hides nothing."""
    return Case("gaussian", gaussian([8, 16], axes=2, level=0.05), "bridge.inputs.low.noise.std", 0.9, 64)


def bundled() -> Case:
    """The trained one."""
    cascade = Cascade.from_pretrained("emoji-64", runtime=Runtime(batch_size=64))
    return Case("emoji-64", cascade, "bridge.inputs.low.noise.std", 0.6, 48)


def recovered(case: Case) -> timing.Result:
    """The share, with what was set printed to stderr."""
    spoilt = case.cascade.with_settings({case.path: case.wrong})
    bench = look(spoilt, options=Options(num=case.num)).bench
    setting = next(setting for setting in settings(bench) if setting.full == case.path)
    found = sweep(bench, setting, rows=case.num).findings
    print(f"{case.name}: {found[0].says}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        made = apply(spoilt, found, Path(folder) / "cascade.yaml", num=case.num)
    if made is None:
        return timing.Result(f"recovered_share {case.name}", 0.0, "share", 0.0, 0.0, case.num, TARGET)
    lost = (made.before.value or 0.0) - _as_it_was(case)
    print(f"{case.name}: {_told(made, lost)}", file=sys.stderr)
    ends = [(end or 0.0) / lost for end in (made.recovered.value, made.recovered.low, made.recovered.high)]
    return timing.Result(f"recovered_share {case.name}", ends[0], "share", ends[1], ends[2], case.num, TARGET)


def _told(made: Applied, lost: float) -> str:
    changes = ", ".join(f"{change['path']} {change['was']} -> {change['now']}" for change in made.changes)
    return f"{changes}; J {made.before.value:.4g} -> {made.after.value:.4g} on {made.signals} signals, {lost:.4g} lost"


def _as_it_was(case: Case) -> float:
    """J of the healthy cascade on the same fresh samples."""
    cascade, num = case.cascade, case.num
    reference = find(cascade.spec, num, root=cascade.root, skip=num)
    assert reference is not None
    bench = Bench(Taps.of(cascade, reference, seed=FRESH), reference)
    node = next(node for node in bench.graph if node.stage.name == case.path.split(".")[0])
    return score(bench, cascade, node, rows=num).value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--quick", action="store_true", help="the exact cascade alone")
    options = parser.parse_args()
    before = timing.load()
    torch.set_num_threads(1)
    cases = [exact(), *([] if options.quick else [bundled()])]
    timing.report("remedy", "cpu", [recovered(case) for case in cases], as_json=options.json, before=before)


if __name__ == "__main__":
    main()
