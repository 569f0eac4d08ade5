"""The list of events: what is fetched, run, released and evicted, in which order."""

from __future__ import annotations

from dynaxx.plan.events import events
from dynaxx.spec.files import parse
from dynaxx.spec.graph import nodes


def stage(name, role, **rest):
    return {"name": name, "role": role, "kind": "gaussian", "size": [32], **rest}


BASE = stage("base", "base", out={"channels": 1, "size": [8]})
SPEC = parse({"name": "x", "stages": [
    BASE,
    stage("up", "bridge", out={"channels": 1, "scale": 2}, repeat={"times": 2}, **{"from": "base"}),
    stage("refine", "refine", out={"channels": 1}, inputs={"low": {"from": "up"}, "context": {"from": "base"}}),
]})  # fmt: skip


def told(**settings):
    return [str(event) for event in events(nodes(SPEC), **settings)]


def test_a_resident_run_fetches_each_stage_once_and_releases_what_nobody_needs():
    assert told() == [
        "encode", "fetch base", "run base", "fetch up", "run up@1", "run up@2", "release up@1",
        "fetch refine", "run refine", "release base", "release up@2",
    ]  # fmt: skip


def test_kept_outputs_are_not_released():
    assert not [event for event in told(keep=["base", "up@1", "up@2"]) if event.startswith("release")]


def test_one_at_a_time_evicts_a_stage_before_the_next_is_fetched():
    moves = [event for event in told(placement="one-at-a-time") if event.split()[0] in ("fetch", "evict")]
    assert moves == ["fetch base", "evict base", "fetch up", "evict up", "fetch refine", "evict refine"]


def test_the_next_stage_is_read_ahead_while_one_runs():
    moves = [event for event in told(placement="one-at-a-time") if event.split()[0] in ("ahead", "run")]
    assert moves == ["ahead up", "run base", "ahead refine", "run up@1", "run up@2", "run refine"]


def test_a_streamed_stage_is_never_fetched():
    moves = [event for event in told(streamed=["up"]) if event.split()[0] in ("fetch", "stream")]
    assert moves == ["fetch base", "stream up", "fetch refine"]
