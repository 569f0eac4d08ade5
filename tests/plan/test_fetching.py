"""Waiting for weights: in closed form by the events of a run, and never for what stays or is hidden by work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dynaxx.plan.events import events
from dynaxx.plan.fetching import RunTime, fetch_s
from dynaxx.plan.growth import Scale
from dynaxx.plan.heights import Heights
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.placement import Residence
from dynaxx.plan.predict import RunPlan, plan_run
from dynaxx.plan.profile import Profile
from dynaxx.plan.time.devices import device_named
from dynaxx.plan.time.interval import NOTHING, Interval
from dynaxx.plan.time.transfer import Transfer
from dynaxx.plan.told import Teller
from dynaxx.plan.ways import ways
from dynaxx.spec.files import loads
from dynaxx.spec.graph import nodes

FILE = """
name: three
stages:
  - {name: a, role: base, KIND, out: {size: [16, 16]}}
  - {name: b, role: bridge, KIND, from: a, out: {scale: 2}}
  - {name: c, role: refine, KIND, from: b, out: {scale: 2}}
"""
OURS = "network: {width: 16, mults: [1, 2], blocks: 1, attention: []}"
FOREIGN = "kind: pipeline, load: nowhere"
GB = 10**9
GPU = Transfer(2e9, 1e10, None, 24e9, 0.0)
CPU = Transfer(1e10, None, 1e9, 100e9, 0.0)


def exactly(seconds: float) -> Interval:
    return Interval(seconds, seconds, seconds)


def planned(kind: str, *, on_cpu: bool, placement: str = "one-at-a-time", cap: int | None = None) -> RunPlan:
    """Weights of 4, 6 and 2 GB; a run by the engine's own events."""
    graph = nodes(loads(FILE.replace("KIND", kind)))
    found = []
    for node, size in zip(graph, (4, 6, 2), strict=True):
        profile = Profile(Scale(2, 1, fixed=node.grid.size), 0, size * GB, Heights(), ({},))
        found.append(NodePlan(node, 1, 1, profile, on_cpu=on_cpu))
    return RunPlan(tuple(found), events(graph, placement=placement), Residence(placement), cap)  # type: ignore[arg-type]


TOOK = {"a": exactly(0.5), "b": exactly(0.1), "c": exactly(1.0)}


def waits(run: RunPlan, transfer: Transfer | None) -> float:
    found = fetch_s(run, TOOK, transfer)
    assert found is not None
    return found.value


def test_what_stays_is_not_waited_for() -> None:
    for on_cpu in (True, False):
        assert fetch_s(planned(FOREIGN, on_cpu=on_cpu, placement="resident"), TOOK, None) == NOTHING


def test_pretrained_stages_come_to_a_gpu_while_the_one_before_works() -> None:
    """The first is waited for whole, the second begun with the run of the first, the third with that of the second."""
    assert waits(planned(FOREIGN, on_cpu=False), GPU) == pytest.approx(0.4 + (0.6 - 0.5) + (0.2 - 0.1))


def test_where_there_is_no_room_nothing_comes_ahead() -> None:
    """Of 12 GB 80% may be filled: 4 + 6 are more, 6 + 2 are not; a cap is as good as a smaller card."""
    expected = 0.4 + 0.6 + (0.2 - 0.1)
    assert waits(planned(FOREIGN, on_cpu=False), replace(GPU, memory_bytes=12e9)) == pytest.approx(expected)
    assert waits(planned(FOREIGN, on_cpu=False, cap=12 * GB), GPU) == pytest.approx(expected)


def test_stages_of_ours_are_copied_when_their_turn_comes() -> None:
    assert waits(planned(OURS, on_cpu=False), GPU) == pytest.approx(12 / 2)


def test_a_cpu_touches_pages_that_the_system_holds() -> None:
    for kind in (OURS, FOREIGN):
        assert waits(planned(kind, on_cpu=True), CPU) == pytest.approx(12 / 10)


def test_a_cpu_reads_the_disk_ahead_where_memory_holds_not_all() -> None:
    small = replace(CPU, memory_bytes=12e9)
    assert waits(planned(OURS, on_cpu=True), small) == pytest.approx(1.2 + 4.0 + (6.0 - 0.5) + (2.0 - 0.1))
    assert fetch_s(planned(OURS, on_cpu=True), TOOK, replace(small, disk_bytes_s=None)) is None


def test_stages_that_are_kept_are_there() -> None:
    run = planned(FOREIGN, on_cpu=False)
    graph = [one.node for one in run.nodes]
    kept = events(graph, placement="one-at-a-time", kept={"c"})
    lie = Residence("one-at-a-time", kept=frozenset({"c"}))
    assert waits(replace(run, events=kept, lie=lie), GPU) == pytest.approx(0.4 + 0.1)


def test_blocks_come_while_others_compute() -> None:
    """A stage of 4 GB of which 1 stays: in 10 evaluations 30 GB come, 3 s of which its own 0.5 s hide a part."""
    run = planned(FOREIGN, on_cpu=False, placement="resident")
    first = run.nodes[0]
    assert first.profile is not None
    held = replace(first.profile, weights=1 * GB)
    streams = replace(first, streams=True, streamed=held, passes={1: 10})
    assert streams.brought_bytes == 30 * GB
    assert waits(replace(run, nodes=(streams, *run.nodes[1:])), GPU) == pytest.approx(3.0 - 0.5)


def test_without_rates_the_wait_is_not_known_and_not_in_the_time() -> None:
    assert fetch_s(planned(FOREIGN, on_cpu=False), TOOK, None) is None
    assert RunTime(TOOK, None).latency_s.value == pytest.approx(1.6)
    assert RunTime(TOOK, exactly(0.4)).latency_s.value == pytest.approx(2.0)


def test_intervals_of_what_is_hidden_are_those_of_both() -> None:
    """The least wait is the fastest copy behind the slowest stage, the longest the slowest copy behind the fastest."""
    slow = {name: Interval(took.value, took.value / 2, took.value * 2) for name, took in TOOK.items()}
    found = fetch_s(planned(FOREIGN, on_cpu=False), slow, replace(GPU, spread=0.1))
    assert found is not None
    f = Interval.around(1.0, 0.1).high
    assert found.value == pytest.approx(0.6)
    assert found.high == pytest.approx(0.4 * f + (0.6 * f - 0.25) + (0.2 * f - 0.05))
    assert found.low == pytest.approx(0.4 / f + max(0, 0.6 / f - 1.0) + max(0, 0.2 / f - 0.2))


def test_ways_hold_the_wait_in_their_time() -> None:
    spec = loads(FILE.replace("KIND", OURS))
    graph, teller = nodes(spec), Teller(device_named("t4"), spec.condition)
    found = ways(spec, graph, teller, samples=4, on_cpu=False)
    stays = next(way for way in found if way.placement == "resident")
    assert stays.fetch_s == NOTHING
    assert stays.fetched_bytes == 0
    for way in (way for way in found if way.placement == "one-at-a-time"):
        run = plan_run(spec, graph, samples=4, batch=way.batch, placement="one-at-a-time", on_cpu=False)
        nodes_s = sum(
            teller.seconds(one.node, one.profile, one.work, samples=4, batch=way.batch).value
            for one in run.nodes
            if one.profile is not None
        )
        assert way.fetch_s is not None
        assert way.fetch_s.value * 4 == pytest.approx(way.fetched_bytes / teller.clock.transfer.mapped_bytes_s)  # type: ignore[union-attr]
        assert way.latency_s.value * 4 == pytest.approx(nodes_s + way.fetch_s.value * 4)
