"""Batch sizes: probing finds the fastest and wastes no sample, lack of memory halves them, all is on record."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from dynaxx import Cascade
from dynaxx.engine.batches import Batches
from dynaxx.engine.runtime import Runtime
from dynaxx.spec.files import parse
from dynaxx.stage.stage import Request

SIZES: list[int] = []


class Costly:
    """A stage that takes `each` seconds a sample and `once` a batch, and holds at most `room` samples."""

    def __init__(self, spec: Any, grid: Any) -> None:
        self.options = spec.options

    def run(self, request: Request) -> torch.Tensor:
        count = len(request.draws.ids)
        SIZES.append(count)
        if count > self.options.get("room", 99) or count * request.grid.sites > self.options.get("room_sites", 10**9):
            raise torch.OutOfMemoryError("no room")
        time.sleep(self.options.get("once", 0) + count * self.options.get("each", 0))
        return request.draws.normal("x", request.grid.shape)

    def to(self, device: torch.device) -> None:
        """It holds nothing."""


def cascade(probe: bool = True, most: int = 64, **options: float) -> Cascade:
    stage = {"name": "a", "role": "base", "kind": "custom", "target": "test_batches:Costly", "options": options}
    spec = parse({"name": "x", "stages": [stage | {"out": {"size": [4, 4]}}]})
    SIZES.clear()
    return Cascade.from_spec(spec, runtime=Runtime(batch_size=most, probe=probe))


def settled(seconds: dict[int, float], most: int = 64) -> int:
    batches = Batches(most, probe=True)
    while batches.probe:
        batches.took(batches.size, seconds[batches.size] * batches.size)
    return batches.size


def test_probing_stops_where_samples_get_no_faster() -> None:
    assert settled({1: 1.0, 2: 0.6, 4: 0.4, 8: 0.39}) == 8  # no longer worth doubling, and still the fastest
    assert settled({1: 1.0, 2: 0.6, 4: 0.7}) == 2
    assert settled({1: 1.0, 2: 1.2}) == 1
    assert settled({1: 1.0, 2: 0.5, 4: 0.25}, most=4) == 4
    assert settled({1: 1.0}, most=1) == 1


def test_what_is_set_up_once_is_not_held_against_the_first_size() -> None:
    batches = Batches(64, probe=True)
    for size, latency_s in ((1, 9.0), (1, 1.0), (2, 2.2)):
        assert batches.size == size
        batches.took(size, latency_s)
    assert batches.size == 1
    assert batches.tried == {1: 1.0, 2: 1.1}


def test_each_pass_of_a_stage_has_batches_of_its_own() -> None:
    base = {"name": "base", "role": "base", "kind": "custom", "target": "test_batches:Costly", "out": {"size": [4, 4]}}
    up = {"name": "up", "role": "bridge", "kind": "custom", "target": "test_batches:Costly", "from": "base"}
    up |= {"options": {"room_sites": 4 * 64}, "repeat": {"times": 2}, "out": {"scale": 2}}
    live = Cascade.from_spec(parse({"name": "x", "stages": [base, up]}), runtime=Runtime(batch_size=4))
    for _ in range(2):
        nodes = live.sample(num=4).trace.nodes
        assert [node.batch_size for node in nodes] == [4, 4, 1], "four pictures of 8 x 8 fit, one of 16 x 16"


def test_each_worker_looks_for_its_own_batches() -> None:
    stages = [
        {"name": name, "role": "base", "kind": "custom", "target": "test_batches:Costly", "out": {"size": [4, 4]}}
        for name in ("a", "b")
    ]
    stages[0] |= {"options": {"once": 0.03}}
    stages[1] |= {"options": {"each": 0.004}, "role": "bridge", "from": "a"}
    spec = parse({"name": "x", "stages": stages})
    spread = {"a": ("cpu:0",), "b": ("cpu:1",)}
    drawn = Cascade.from_spec(spec, runtime=Runtime(batch_size=16, probe=True, spread=spread)).sample(num=64, seed=3)
    a, b = drawn.trace.nodes
    assert [count for count, _ in a.took][:5] == [1, 1, 2, 4, 8], "a batch costs the same whatever is in it"
    assert a.probed.keys() >= {1, 2, 4, 8}
    assert max(count for count, _ in b.took) < 16, "as fast one by one"
    assert sum(count for count, _ in b.took) == 64
    assert torch.equal(drawn.x, Cascade.from_spec(spec, runtime=Runtime(batch_size=3)).sample(num=64, seed=3).x)


def test_a_stage_with_a_cost_per_batch_is_run_in_large_ones_and_samples_stay_the_same() -> None:
    live = cascade(once=0.02)
    drawn = live.sample(num=40, seed=3)
    assert SIZES[:6] == [1, 1, 2, 4, 8, 16]
    assert sum(SIZES) == 40
    assert drawn.trace.nodes[0].probed.keys() >= {1, 2, 4, 8, 16}
    assert torch.equal(drawn.x, cascade(probe=False).sample(num=40, seed=3).x)


def test_what_was_found_is_kept_for_the_next_run() -> None:
    live = cascade(once=0.02, most=4)
    live.sample(num=20)
    SIZES.clear()
    live.sample(num=8)
    assert SIZES == [4, 4]


@pytest.mark.parametrize("probe", [False, True])
def test_a_batch_that_does_not_fit_is_halved_and_stays_so(probe: bool) -> None:
    live = cascade(probe=probe, most=16, room=5, once=0.01)
    x = live.sample(num=20, seed=1).x
    assert live.sample(num=20, seed=1).trace.nodes[0].batch_size == 4
    assert torch.equal(x, cascade(probe=False).sample(num=20, seed=1).x)


def test_the_trace_says_what_was_moved_when_and_the_time_lost_to_it() -> None:
    trace = cascade(once=0.02).sample(num=2).trace
    fetch, run = trace.events[1], trace.events[2]
    assert (fetch.event, run.event) == ("fetch a", "run a")
    assert run.began_s >= fetch.began_s + fetch.latency_s
    assert run.lost_s == 0.0
    assert fetch.lost_s == fetch.latency_s
    assert trace.to_json()["lost_s"] == pytest.approx(fetch.latency_s)
    assert {"event", "began_s", "latency_s", "weights_bytes", "grew_bytes", "lost_s"} == set(
        trace.to_json()["events"][1]
    )
