"""Stages on several workers: the same samples, all workers at once, replicas in turn, failures told."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pipelines import saved

from dynaxx import Cascade
from dynaxx.engine import crew
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.seats import Seats
from dynaxx.errors import RunError, UsageError
from dynaxx.spec.files import parse
from dynaxx.stage.stage import Request

NETWORK = {"width": 8, "mults": [1, 2], "attention": [1], "head_dim": 8, "blocks": 1}
OURS: dict[str, Any] = {
    "name": "ours", "stages": [
        {"name": "base", "role": "base", "network": NETWORK, "solver": {"steps": 2}, "out": {"size": [8, 8]}},
        {"name": "up", "role": "bridge", "kind": "regression", "network": NETWORK, "from": "base", "out": {"scale": 2}},
    ],
}  # fmt: skip
STARTED: list[tuple[str, str, float]] = []


class Slow:
    """A stage that is waited for, and notes who ran it when."""

    def __init__(self, spec: Any, grid: Any) -> None:
        self.name, self.seconds = spec.name, float(spec.options.get("seconds", 0))

    def run(self, request: Request) -> torch.Tensor:
        if self.name == "broken" and 2 in request.draws.ids:
            return torch.zeros(1)
        if self.name == "hungry" and len(request.draws.ids) > 2:
            raise torch.OutOfMemoryError("out of memory")
        STARTED.append((self.name, threading.current_thread().name, time.perf_counter()))
        time.sleep(self.seconds)
        low = request.inputs["low"].x if request.inputs else 0
        return request.draws.normal("x", request.grid.shape) + low

    def to(self, device: torch.device) -> None:
        """It holds nothing."""


def cascade(names: tuple[str, ...] = ("one", "two"), seconds: float = 0.0, **runtime: Any) -> Cascade:
    stages: list[dict[str, Any]] = []
    for name in names:
        stage = {"name": name, "kind": "custom", "target": "test_spread:Slow", "options": {"seconds": seconds}}
        above = {"role": "bridge", "from": stages[-1]["name"], "out": {"scale": 2}} if stages else {"role": "base"}
        stages.append(stage | {"out": {"size": [4, 4]}} | above)
    return Cascade.from_spec(parse({"name": "x", "stages": stages}), runtime=Runtime(device="cpu", **runtime))


SPREAD = {"one": ("cpu:0",), "two": ("cpu:1",)}


@pytest.mark.parametrize(
    "spread", [SPREAD, {"one": ("cpu:0",), "two": ("cpu:1", "cpu:2")}, {"two": ("cpu:1", "cpu")}], ids=str
)
def test_samples_are_the_same_on_any_workers(spread: dict[str, tuple[str, ...]]) -> None:
    alone = cascade().sample(num=7, keep=True)
    apart = cascade(batch_size=2, spread=spread).sample(num=7, keep=True)
    assert torch.equal(apart.x, alone.x)
    assert torch.equal(apart.stages["one"], alone.stages["one"])
    assert [node.name for node in apart.trace.nodes] == ["one", "two"]


def test_workers_work_at_once() -> None:
    STARTED.clear()
    cascade(seconds=0.05, batch_size=1, spread=SPREAD).sample(num=4)
    starts = {name: [at for who, _, at in STARTED if who == name] for name in ("one", "two")}
    assert len({worker for name, worker, _ in STARTED}) == 2
    assert starts["two"][0] < starts["one"][2], "the second stage begins while the first still has batches"


def test_replicas_share_the_work() -> None:
    apart = cascade(seconds=0.02, batch_size=1, spread={"one": ("cpu:0",), "two": ("cpu:1", "cpu:2")}).sample(num=8)
    one, two = apart.trace.nodes
    assert one.by_device == {"cpu:0": 8}
    assert sum(two.by_device.values()) == 8
    assert min(two.by_device[device] for device in ("cpu:1", "cpu:2")) >= 2


def test_a_failure_ends_all_workers() -> None:
    with pytest.raises(RunError, match="broken"):
        cascade(("one", "broken", "two"), batch_size=1, spread=SPREAD).sample(num=6)


def test_a_batch_that_does_not_fit_a_worker_is_halved() -> None:
    alone = cascade(("one", "hungry"), batch_size=2).sample(num=11)
    apart = cascade(("one", "hungry"), batch_size=7, spread={"one": ("cpu:0",), "hungry": ("cpu:1",)})
    assert torch.equal(apart.sample(num=11).x, alone.x)


def test_a_failure_that_comes_while_others_wait_is_the_one_that_is_told() -> None:
    with pytest.raises(RunError, match=r"stage 'broken': answered with shape \(1,\)"):
        cascade(("one", "broken", "two", "four"), batch_size=1, spread=("cpu:0", "cpu:1", "cpu:2")).sample(num=9)


def test_what_nodes_were_given_is_kept_in_the_order_of_the_samples() -> None:
    alone = cascade(("one", "two", "four")).sample(num=9, keep=True)
    devices = ("cpu:0", "cpu:1", "cpu:2")
    apart = cascade(("one", "two", "four"), 0.002, batch_size=1, spread=devices).sample(num=9, keep=True)
    for name, given in alone.inputs.items():
        assert all(torch.equal(apart.inputs[name][key], x) for key, x in given.items()), name
    assert all(torch.equal(apart.stages[name], x) for name, x in alone.stages.items())


def test_a_trial_on_a_device_that_no_stage_stays_on_is_no_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which device a stage is tried on follows from weights alone, where it stays from times too."""
    chosen = [{"one": ("cpu:2",), "two": ("cpu:2",)}, {"one": ("cpu:0",), "two": ("cpu:1",)}]
    seats = (Seats(spread, "measured") for spread in chosen)
    monkeypatch.setattr(crew, "seat_by_time", lambda *_: next(seats))
    found = cascade(batch_size=2, spread=("cpu:0", "cpu:1", "cpu:2")).sample(num=8)
    assert torch.equal(found.x, cascade(batch_size=2).sample(num=8).x)
    assert {node.name: set(node.by_device) for node in found.trace.nodes} == {
        "one": {"cpu:2", "cpu:0"}, "two": {"cpu:2", "cpu:1"}
    }  # fmt: skip


def test_stages_without_a_device_of_their_own_count_the_run_s_and_no_device_counts_twice() -> None:
    """Batches are cut for all devices at work: two for each."""
    live = cascade(batch_size=8, spread={"two": ("cpu:1", "cpu:1")})
    found = live.sample(num=8)
    assert found.trace.spread == {"one": ("cpu",), "two": ("cpu:1",)}
    assert [node.batch_size for node in found.trace.nodes] == [2, 2]
    assert cascade(spread={}).runtime.spreads is False
    with pytest.raises(UsageError, match="names no device for 'two'"):
        cascade(spread={"two": ()})


def test_another_size_leaves_no_replicas_behind() -> None:
    live = cascade(batch_size=2, spread={"one": ("cpu:0", "cpu:1"), "two": ("cpu:0", "cpu:1")})
    before = live.sample(num=4)
    assert live._crew is not None
    assert live._crew._copies
    live.sample(num=4, size=(8, 8))
    assert not live._crew._copies
    assert torch.equal(live.sample(num=4).x, before.x)


def test_parallel_bases_are_spread() -> None:
    base = {"role": "base", "kind": "custom", "target": "test_spread:Slow", "out": {"size": [4, 4]}}
    base |= {"options": {"seconds": 0.02}}
    top = {"name": "top", "role": "bridge", "from": ["a", "b"], "merge": "mean", "out": {"scale": 2}}
    spec = parse({"name": "x", "stages": [base | {"name": "a"}, base | {"name": "b"}, base | top]})
    alone = Cascade.from_spec(spec).sample(num=6, seed=2)
    STARTED.clear()
    spread = {"a": ("cpu:0",), "b": ("cpu:1",), "top": ("cpu:2",)}
    apart = Cascade.from_spec(spec, runtime=Runtime(batch_size=1, spread=spread)).sample(num=6, seed=2)
    assert torch.equal(apart.x, alone.x)
    starts = {name: [at for who, _, at in STARTED if who == name] for name in ("a", "b", "top")}
    assert starts["b"][0] < starts["a"][1] < starts["top"][1], "bases at once, and what merges them behind"
    assert starts["top"][0] < starts["a"][3]


@pytest.mark.parametrize("frugal", [False, True])
def test_replicas_of_a_network_give_the_same_bits(tmp_path: Path, frugal: bool) -> None:
    folder = Cascade.from_spec(parse(OURS), fresh=True).save_pretrained(tmp_path / "ours")
    alone = Cascade.from_pretrained(folder, runtime=Runtime(batch_size=2)).sample(num=8, seed=4)
    spread = {"base": ("cpu:0", "cpu:1"), "up": ("cpu:1", "cpu:2", "cpu:0")}
    runtime = Runtime(batch_size=2, spread=spread, memory_cap=2**30 if frugal else None)
    live = Cascade.from_pretrained(folder, runtime=runtime)
    first = live.sample(num=12, seed=4)
    assert len(first.trace.nodes[1].by_device) > 1
    assert torch.equal(first.x[:8], alone.x)
    again = live.sample(num=12, seed=4)
    assert torch.equal(again.x, first.x)
    fetched = [event for event in again.trace.events if event.event.startswith("fetch")]
    assert sum(event.weights_bytes or 0 for event in fetched) == 0, "replicas stay where they are"


def test_replicas_of_a_pipeline_give_the_same_sample_and_seeds_in_order(tmp_path: Path) -> None:
    saved("sd", tmp_path)
    stage = {"name": "base", "role": "base", "kind": "pipeline", "load": "sd", "call": {"num_inference_steps": 2}}
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [stage | {"out": {"size": [16, 16]}}]})
    prompts = ["a red apple", "a green pear"]
    alone = Cascade.from_spec(spec, root=tmp_path, runtime=Runtime(batch_size=1)).sample(prompts, num=3, seed=1)
    runtime = Runtime(batch_size=1, spread={"base": ("cpu:0", "cpu:1")})
    apart = Cascade.from_spec(spec, root=tmp_path, runtime=runtime).sample(prompts, num=3, seed=1)
    assert torch.equal(apart.x, alone.x)
    assert apart.trace.nodes[0].seeds == alone.trace.nodes[0].seeds
    assert len(apart.trace.nodes[0].by_device) == 2


INTERRUPTED = """
import signal; signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever started the tests
import json, os, sys
from dynaxx import Cascade
from dynaxx.engine import crew
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.seats import Seats
from dynaxx.spec.files import parse
runtime = Runtime(spread=dict(base=("cpu:0", "cpu:1"), up=("cpu:0",)))
live = Cascade.from_spec(parse(json.loads(sys.argv[1])), fresh=True, runtime=runtime)
begun = []
def on_step(name, step):
    if not begun:
        begun.append(os.write(1, b"begun\\n"))
try:
    live.sample(num=64, on_step=on_step)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_an_interrupt_ends_all_workers_at_their_next_step() -> None:
    long = {**OURS, "stages": [OURS["stages"][0] | {"solver": {"steps": 10_000}}, OURS["stages"][1]]}
    command = [sys.executable, "-c", INTERRUPTED, json.dumps(long)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        assert process.stdout.read().endswith("interrupted\n")  # two workers may have begun
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10, "and not after the 10,000 steps"


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="nowhere"):
        Runtime(spread={"one": ("nowhere",)})
