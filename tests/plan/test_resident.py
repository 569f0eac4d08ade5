"""What the plan says that a process grows to, against a process that does it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dynaxx.plan.predict import plan_run
from dynaxx.plan.resident import CODE_BYTES, resident_bytes, run_resident_bytes, training_resident_bytes
from dynaxx.plan.training import plan_training
from dynaxx.spec.files import parse
from dynaxx.spec.graph import nodes

NETWORK = {"width": 32, "mults": [1, 2], "blocks": 1, "attention": []}
STAGE = {"name": "base", "role": "base", "network": NETWORK, "solver": {"steps": 3}, "out": {"size": [64, 64]}}
SPEC = {"name": "one", "stages": [STAGE | {"train": {"steps": 2, "batch_size": 4}}]}
BATCH = 16


def test_on_a_device_with_memory_of_its_own_nothing_is_said() -> None:
    graph = nodes(spec := parse(SPEC))
    assert run_resident_bytes(plan_run(spec, graph, on_cpu=False)) is None
    assert training_resident_bytes(plan_training(spec, graph, on_cpu=False)[0]) is None


def test_weights_leave_no_holes_and_workings_do() -> None:
    assert resident_bytes(100.0, 0.0, "sample") == 100 + CODE_BYTES["sample"]
    run = plan_run(spec := parse(SPEC), nodes(spec), samples=BATCH, batch=BATCH)
    found = run_resident_bytes(run)
    assert found is not None
    one = run.nodes[0]
    assert found == pytest.approx(one.peak_bytes + 0.8 * (one.own_bytes - one.weights) + CODE_BYTES["sample"])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells a process its peak anew")
def test_a_process_grows_as_it_was_told(tmp_path: Path) -> None:
    run = plan_run(spec := parse(SPEC), nodes(spec), samples=BATCH, batch=BATCH)
    file = tmp_path / "one.json"
    file.write_text(json.dumps(SPEC))
    process = [sys.executable, str(Path(__file__).with_name("grown_process.py")), str(file), str(BATCH)]
    grown = 0  # the most of a few: how many holes a heap comes to have differs from process to process
    for _ in range(3):
        said = subprocess.run(process, capture_output=True, text=True, check=False)
        assert said.returncode == 0, said.stderr
        grown = max(grown, int(said.stdout.splitlines()[-1]))
    assert run_resident_bytes(run) == pytest.approx(grown, rel=0.25)
    assert grown > 1.3 * run.peak_bytes  # what is held at once is not all
