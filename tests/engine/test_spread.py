"""Stages on several workers: the same samples, all workers at once, replicas in turn, failures told."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import torch

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.errors import RunError, UsageError
from dynaxx.spec.files import parse
from dynaxx.stage.stage import Request

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


def test_replicas_take_turns() -> None:
    STARTED.clear()
    cascade(seconds=0.01, batch_size=1, spread={"one": ("cpu:0",), "two": ("cpu:1", "cpu:2")}).sample(num=6)
    workers = [worker for name, worker, _ in STARTED if name == "two"]
    assert sorted(workers.count(worker) for worker in set(workers)) == [3, 3]


def test_a_failure_ends_all_workers() -> None:
    with pytest.raises(RunError, match="broken"):
        cascade(("one", "broken", "two"), batch_size=1, spread=SPREAD).sample(num=6)


def test_a_batch_that_does_not_fit_a_worker_is_halved() -> None:
    alone = cascade(("one", "hungry"), batch_size=2).sample(num=11)
    apart = cascade(("one", "hungry"), batch_size=7, spread={"one": ("cpu:0",), "hungry": ("cpu:1",)})
    assert torch.equal(apart.sample(num=11).x, alone.x)


def test_a_device_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="nowhere"):
        Runtime(spread={"one": ("nowhere",)})
