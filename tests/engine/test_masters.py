"""Pipelines whose weights stay beside a device that they leave: opened once, the same samples, room kept to.

A GPU's part in it is played by the CPU: only where weights lie is another.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pipelines import saved

from dynaxx import Cascade
from dynaxx.engine import move
from dynaxx.engine.runtime import Runtime
from dynaxx.spec.files import parse
from dynaxx.stage.pinned import Pinned
from dynaxx.stage.pipeline import coming, held

STAGES: list[dict[str, Any]] = [
    {"name": "base", "role": "base", "kind": "pipeline", "load": "sd", "out": {"size": [16, 16]}},
    {"name": "up", "role": "refine", "kind": "pipeline", "load": "x4", "from": "base", "out": {"scale": 4}},
]


def cascade(root: Path, device: str = "cpu", *, stages: list[dict[str, Any]] = STAGES, **more: Any) -> Cascade:
    for stage in stages:
        saved(stage["load"], root)
    few = [{"call": {"num_inference_steps": 2}} | stage for stage in stages]
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": few})
    return Cascade.from_spec(spec, root=root, runtime=Runtime(device=device, placement="one-at-a-time", **more))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The CPU as a device with memory of its own; the names of the pipelines as they are opened."""
    names: list[str] = []
    original = held.open_pipeline

    def counted(spec: Any, *args: Any, **given: Any) -> Any:
        names.append(spec.name)
        return original(spec, *args, **given)

    monkeypatch.setattr(held, "on_its_own", lambda device: True)
    monkeypatch.setattr(held, "open_pipeline", counted)
    return names


def test_a_pipeline_is_opened_once_for_many_runs(tmp_path: Path, opened: list[str]) -> None:
    live, mapped = cascade(tmp_path), cascade(tmp_path)
    mapped_held: Any = mapped.stages["base"]
    first = live.sample("a red apple", seed=1)
    assert opened == ["base", "up"]
    again = live.sample("a red apple", seed=1)
    assert opened == ["base", "up"]
    assert torch.equal(first.x, again.x)
    other = live.sample("a green pear", seed=1)
    assert opened == ["base", "up", "base"], "for the encoder, which serves both; networks are used again"
    mapped_held.held.keeps = False
    assert torch.equal(mapped.sample("a green pear", seed=1).x, other.x)


@pytest.mark.parametrize("cap_bytes", [None, 2**30])
def test_encoders_are_never_held_beside_a_network(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, cap_bytes: int | None
) -> None:
    muted = [STAGES[0] | {"call": {"num_inference_steps": 2, "negative_prompt": "blurry"}}, STAGES[1]]
    live = cascade(tmp_path, stages=muted, memory_cap=cap_bytes)
    masters: list[Any] = []
    seen: list[tuple[str, set[Any]]] = []
    original = held.encode_prompts

    def looked(pipe: Any, *args: Any) -> Any:
        masters[:] = [stage.held.master for stage in live.stages.values() if stage.held.master]  # type: ignore[attr-defined]
        seen.append((type(pipe).__name__, {device for each in masters for device in (each.on, each.towards)} - {None}))
        return original(pipe, *args)

    monkeypatch.setattr(held, "encode_prompts", looked)
    names = ["StableDiffusionPipeline", "StableDiffusionUpscalePipeline"]
    for count, prompt in enumerate(["a red apple", "a green pear"], 1):
        events = [event.event for event in live.sample(prompt).trace.events]
        assert "ahead up" in events
        assert seen == [(name, set()) for name in names * count]
    assert len(masters) == 2
    live.sample("a green pear")
    assert len(seen) == 4, "prompts that are known are not encoded again"


def test_weights_are_brought_ahead_only_where_there_is_room(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    live = cascade(tmp_path)
    live.sample("a red apple")
    up: Any = live.stages["up"]
    need = up.held.master.weights_bytes
    began: list[bool] = []
    monkeypatch.setattr(type(up.held.master), "begin", lambda self, device: began.append(True))
    for room, brought in ((need - 1, 0), (need, 1), (None, 2)):
        up.ahead(torch.device("cpu"), room)
        assert len(began) == brought


def test_in_a_first_run_the_next_master_is_made_beside_the_work(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    makers: list[bool] = []

    class Watched(Pinned):  # type: ignore[misc]
        def __init__(self, modules: Any) -> None:
            makers.append(threading.current_thread() is threading.main_thread())
            super().__init__(modules)

    for module in (held, coming):
        monkeypatch.setattr(module, "Pinned", Watched)
    live = cascade(tmp_path)
    first = live.sample("a red apple", seed=1)
    assert makers == [True, False], "the first stage's is made when it is fetched, the second's while the first runs"
    assert torch.equal(live.sample("a red apple", seed=1).x, first.x)
    assert len(makers) == 2

    left = cascade(tmp_path)
    up: Any = left.stages["up"]
    up.encode_prompts(torch.device("cpu"), ["a red apple"])
    for _ in range(2):
        up.ahead(torch.device("cpu"), None)
    up.evict()
    assert makers[2:] == [False], "what was begun is taken up, whatever comes next"
    assert (up.held.master.on, up.held.master.towards) == (None, None)
    assert torch.equal(left.sample("a red apple", seed=1).x, first.x)
    assert makers[3:] == [True], "the first stage's"


def test_weights_that_stayed_are_not_counted_as_moved(tmp_path: Path, opened: list[str]) -> None:
    live = cascade(tmp_path)
    up: Any = live.stages["up"]
    known = up.weights_bytes
    for there, moved in ((False, known), (True, 0)):
        if there:
            up.fetch(torch.device("cpu"), ["a red apple"])
        assert move.moved_bytes("fetch", up, torch.device("cpu")) == moved
        assert move.moved_bytes("evict", up, torch.device("cpu")) == known
    up.evict()
    assert up.held.master is not None
    assert move.moved_bytes("fetch", up, torch.device("cpu")) == known


def test_what_is_left_of_a_cap() -> None:
    assert move.room_bytes(torch.device("cpu"), 100) is None, "it has no memory of its own"
    assert move.left_bytes(1000, None, 300) == 500, "a fifth is left to the networks' workings"
    assert move.left_bytes(1000, 600, 300) == 180, "a fifth of the cap"
    assert move.left_bytes(1000, 2000, 300) == 500, "a cap beyond the device is no room"
    assert move.left_bytes(1000, 600, 500) == -20


def test_on_a_gpu_one_stage_at_a_time_is_the_same_and_holds_one(tmp_path: Path, accelerator: torch.device) -> None:
    live = cascade(tmp_path, str(accelerator))
    first, again = (live.sample("a red apple", seed=1).x for _ in range(2))
    assert torch.equal(first, again)
    largest = max(size or 0 for size in move.weights_bytes(live.stages).values())
    assert torch.accelerator.memory_allocated(accelerator) < 1.1 * largest
    room = move.room_bytes(accelerator, 2**30)
    assert room is not None
    assert room <= 0.8 * 2**30
