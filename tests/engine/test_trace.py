"""What an event's time is: a GPU's work is waited for where there is some, never the copy that goes on beside it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pipelines import saved

import dynaxx
from dynaxx import Cascade
from dynaxx.engine import run, trace
from dynaxx.engine.passed import MOVING, kind_of
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.trace import Trace
from dynaxx.spec.files import parse
from soft_device.module import Soft

STAGES: list[dict[str, Any]] = [
    {"name": "base", "role": "base", "kind": "pipeline", "load": "sd", "out": {"size": [16, 16]}},
    {"name": "up", "role": "refine", "kind": "pipeline", "load": "x4", "from": "base", "out": {"scale": 4}},
]


def cascade(root: Path) -> Cascade:
    for stage in STAGES:
        saved(stage["load"], root)
    few = [stage | {"call": {"num_inference_steps": 2}} for stage in STAGES]
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": few})
    return Cascade.from_spec(spec, root=root, runtime=Runtime(device="cpu", placement="one-at-a-time"))


def test_a_device_is_waited_for_where_it_computes_and_not_where_it_is_copied_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    original = Trace.event

    def event(self: Trace, name: str, *more: Any) -> Any:
        done.append(f"begin {kind_of(name)}")
        return original(self, name, *more)

    monkeypatch.setattr(Trace, "event", event)
    for module in (trace, run):
        monkeypatch.setattr(module, "synchronize_computed", lambda device: done.append("wait"))
    cascade(tmp_path).sample("a red apple")
    kinds = [at for at, what in enumerate(done) if what != "wait"]
    waits: dict[str, set[int]] = {}
    for at, end in zip(kinds, [*kinds[1:], len(done)], strict=True):
        waits.setdefault(done[at].removeprefix("begin "), set()).add(end - at - 1)
    assert waits == {"encode": {1}, "fetch": {1}, "ahead": {0}, "run": {3}, "release": {0}, "evict": {0}}, (
        "a run waits after its batch, for its node's time, and for its own"
    )


IMPORTS = """
import sys
HEAVY = ("diffusers.pipelines.", "diffusers.models.", "transformers.models.")
from contextlib import contextmanager
sys.path[:0] = PATHS
from pathlib import Path
from dynaxx import Cascade
from dynaxx.engine.trace import Trace
from dynaxx.spec.files import parse
original, late = Trace.event, []

@contextmanager
def event(self, name, *more):
    before = set(sys.modules)
    with original(self, name, *more):
        yield
    if name.startswith("fetch"):
        late.extend(key for key in set(sys.modules) - before if key.startswith(HEAVY))

Trace.event = event
spec = parse({"name": "x", "condition": {"text": {}}, "stages": STAGES})
Cascade.from_spec(spec, root=Path(ROOT)).sample("a red apple", until="base")
assert "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion" in sys.modules
assert not late, late
"""


def test_a_fetch_imports_no_pipeline_and_no_network(tmp_path: Path) -> None:
    saved("sd", tmp_path)
    stages = [STAGES[0] | {"call": {"num_inference_steps": 1}}]
    paths, root = [str(Path(dynaxx.__file__).parents[1])], str(tmp_path)
    code = f"PATHS, STAGES, ROOT = {paths!r}, {stages!r}, {root!r}\n{IMPORTS}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_is_begun_ahead_is_no_time_lost() -> None:
    found = Trace("id", 0, (0,), "cpu")
    for name in ("ahead up", "fetch up", "run base"):
        with found.event(name):
            pass
    assert "ahead" not in MOVING
    assert found.lost_s == found.events[1].latency_s > 0


def test_a_run_ends_before_the_copy_beside_it(soft_device: Soft) -> None:
    found, aside = Trace("id", 0, (0,), "soft:0"), soft_device.Stream("soft:0")
    x, come = torch.ones(8, 8, device="soft:0"), torch.empty(8, 8, device="soft:0")
    with found.event("ahead up"), soft_device.stream(aside):
        come.copy_(torch.ones(8, 8).pin_memory(), non_blocking=True)
    with found.event("run base"):
        y = x @ x
    assert not aside.query(), "what is copied ahead is still on its way"
    assert float(y[0, 0]) == 8
    with found.event("fetch up"):
        soft_device.current_stream().wait_stream(aside)
    assert aside.query(), "a fetch ends when it is there"
    assert [event.grew_bytes for event in found.events] == [0, 512, 0]


@pytest.mark.gpu
def test_on_a_gpu_a_run_ends_before_the_copy_beside_it() -> None:
    device = torch.device("cuda", 0)
    found, aside, x = Trace("id", 0, (0,), str(device)), torch.cuda.Stream(device), torch.ones(8, 8, device=device)
    torch.cuda.synchronize()
    with found.event("ahead up"), torch.cuda.stream(aside):
        torch.cuda._sleep(2**31)
    with found.event("run base"):
        y = x @ x
    assert not aside.query(), "what is copied ahead is still on its way"
    assert float(y[0, 0]) == 8
    with found.event("fetch up"):
        torch.cuda.current_stream(device).wait_stream(aside)
    assert aside.query(), "a fetch ends when it is there"
