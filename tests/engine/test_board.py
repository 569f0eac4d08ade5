"""What workers are given, in simulated time: everything once, parents first, and near the bound that is planned."""

from __future__ import annotations

import heapq
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynaxx.engine.board import Board, Task
from dynaxx.errors import RunError
from dynaxx.plan.assign import Load, Spread, assign, bottleneck_s
from dynaxx.spec.files import parse
from dynaxx.spec.graph import Node, nodes

NAMES = "abcd"


def chain(count: int) -> tuple[Node, ...]:
    """Stages one after another."""
    stages: list[dict[str, Any]] = [{"name": "a", "role": "base", "kind": "custom", "target": "x:X"}]
    stages[0]["out"] = {"size": [2, 2]}
    for low, name in zip(NAMES, NAMES[1:count], strict=False):
        stages.append({"name": name, "role": "bridge", "kind": "custom", "target": "x:X", "from": low})
    return nodes(parse({"name": "chain", "stages": stages}))


def fork() -> tuple[Node, ...]:
    """Two bases, merged by a third stage."""
    base = {"role": "base", "kind": "custom", "target": "x:X", "out": {"size": [2, 2]}}
    top = {"name": "c", "role": "bridge", "kind": "custom", "target": "x:X", "from": ["a", "b"], "merge": "mean"}
    return nodes(parse({"name": "fork", "stages": [base | {"name": "a"}, base | {"name": "b"}, top]}))


def simulate(
    graph: tuple[Node, ...], spread: Spread, seconds: dict[str, float], total: int, *, begun: int = 0, most: int = 1
) -> tuple[float, list[tuple[str, Task]]]:
    """When the last sample is there, if a device takes what is ready as soon as it is free; and who did what."""
    board, now, told = Board(graph, spread, total, begun=begun), 0.0, list[tuple[str, Task]]()
    free = sorted({device for devices in spread.values() for device in devices})
    busy: list[tuple[float, int, str, Task]] = []
    while True:
        for device in list(free):
            if (task := board.take(device, lambda node: most)) is not None:
                free.remove(device)
                told.append((device, task))
                took = seconds[task.node.stage.name] * task.count
                heapq.heappush(busy, (now + took, len(told), device, task))
        if not busy:
            assert not any(board.left(device) for device in free), "nobody waits for what never comes"
            return now, told
        now, _, device, task = heapq.heappop(busy)
        board.done(task, seconds[task.node.stage.name] * task.count)
        free.append(device)


def check_made(graph: tuple[Node, ...], spread: Spread, told: list[tuple[str, Task]], total: int, begun: int) -> None:
    there = {node.name: set(range(begun)) for node in graph}
    for device, task in told:
        assert device in spread[task.node.stage.name]
        some = set(range(task.part.start, task.part.stop))
        assert not some & there[task.node.name], "each sample once"
        assert all(some <= there[parent] for parent in task.node.parents), "given out before what it reads"
        there[task.node.name] |= some
    assert all(found == set(range(total)) for found in there.values())


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_sample_is_made_once_after_what_it_reads(data: st.DataObject) -> None:
    graph = data.draw(st.sampled_from([chain(1), chain(3), chain(4), fork()]))
    devices = st.lists(st.sampled_from(["d0", "d1", "d2"]), min_size=1, unique=True)
    spread = {node.stage.name: data.draw(devices) for node in graph}
    seconds = {name: data.draw(st.floats(0.1, 5)) for name in spread}
    total, begun = data.draw(st.integers(1, 9)), data.draw(st.integers(0, 1))
    _, told = simulate(graph, spread, seconds, total, begun=begun, most=data.draw(st.integers(1, 4)))
    check_made(graph, spread, told, total, begun)


def test_what_is_planned_is_reached() -> None:
    """64 batches through two to four stages of any weights, where the plan put them on two to four devices."""
    draws, shares = random.Random(0), list[float]()
    while len(shares) < 150:
        graph = draws.choice([chain(2), chain(3), chain(4), fork()])
        loads = {node.stage.name: Load(draws.uniform(0.2, 3), draws.randint(1, 4)) for node in graph}
        rooms = {f"d{i}": draws.randint(4, 9) for i in range(draws.randint(2, 4))}
        try:
            spread = assign(loads, rooms)
        except RunError:  # no room for these
            continue
        took, _ = simulate(graph, spread, {name: load.latency_s for name, load in loads.items()}, 64)
        shares.append(64 * bottleneck_s(loads, spread) / took)
    assert min(shares) >= 0.85
    assert sum(shares) / len(shares) >= 0.95


@pytest.mark.parametrize(
    ("seconds", "spread"),
    [
        ((1.0, 2.0), {"a": ["d0"], "b": ["d0", "d1"]}),
        ((1.0, 0.8), {"a": ["d0", "d1"], "b": ["d1"]}),
        ((1.0, 2.0, 1.0), {"a": ["d0"], "b": ["d1"], "c": ["d0"]}),
        ((1.0, 3.0), {"a": ["d0"], "b": ["d1", "d2", "d3"]}),
    ],
    ids=str,
)
def test_devices_that_share_stages_leave_to_others_what_those_can_do(
    seconds: tuple[float, ...], spread: Spread
) -> None:
    loads = {name: Load(one, 1) for name, one in zip(NAMES, seconds, strict=False)}
    took, _ = simulate(chain(len(seconds)), spread, {name: load.latency_s for name, load in loads.items()}, 64)
    assert took <= 1.06 * 64 * bottleneck_s(loads, spread)
