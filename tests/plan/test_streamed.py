"""What a run holds whose weights come block by block, against the allocator; and the events of plan and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from drawn_stages import Setting, request, settings
from meter import held
from own_memory import give_memory_of_its_own, stream_aside
from real_calls import Call, really, tracked_bytes
from test_wrapped import CASCADES
from three_stages import WIDER, three_stages
from torch import nn

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.move import weights_bytes
from dynaxx.engine.runtime import Runtime
from dynaxx.plan.placement import Wanted
from dynaxx.plan.predict import plan_run
from dynaxx.plan.profiles import profile_of
from dynaxx.plan.ways import fetched_bytes
from dynaxx.plan.weights import weights_of
from dynaxx.spec.facts import NETWORKS
from dynaxx.spec.files import loads
from dynaxx.spec.graph import nodes
from dynaxx.stage.build import build_stages
from dynaxx.stage.pipeline.wrapped import Wrapped
from dynaxx.stage.stage import Request

TEXT = three_stages(WIDER)
SPEC = loads(TEXT)
SMALL = 3000
"""Sites, so that a drawn stage takes a second."""


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("dynaxx.plan.profiles._kept", {})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Cascade.from_spec(SPEC, fresh=True).save_pretrained(tmp_path / "three")


def drawn() -> list[Setting]:
    return [one for one in settings(10, 3, memory=True) if one.node.grid.sites * one.batch < SMALL]


@pytest.mark.parametrize("one", drawn(), ids=lambda one: f"{one.node.grid}-{one.batch}")
def test_a_stage_streamed_by_blocks_holds_what_is_planned(one: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Live tensors, blocks included, as diffusers' own hooks bring them: two at once."""
    give_memory_of_its_own(monkeypatch)
    stage = build_stages(one.spec, [one.node], fresh=True)["s"]
    stream_aside(stage.network)  # type: ignore[attr-defined]
    stage.run(request(one))
    real = held(lambda: stage.run(request(one))).tensors
    profile = profile_of(one.node, one.spec.condition, mode="stream")
    assert profile.peak_bytes(one.batch, one.node.grid.size, on_cpu=False) == pytest.approx(real, rel=0.02)
    whole = profile_of(one.node, one.spec.condition)
    assert profile.peak_bytes(one.batch, one.node.grid.size) < whole.peak_bytes(one.batch, one.node.grid.size)


def streamed_bytes(stage: Wrapped, request: Request, call: Call) -> float:
    """The most that tensors hold at once in a pipeline's second streamed call, beside the weights that stay."""
    networks = [part for name in NETWORKS if (part := getattr(stage.pipe, name, None)) is not None]
    for network in networks:
        stream_aside(network)
    call()
    stay = [part for part in stage.pipe.components.values() if isinstance(part, nn.Module) and part not in networks]
    return tracked_bytes(stay, request.grid.size, call)


@pytest.mark.parametrize("name", CASCADES)
def test_a_streamed_pipeline_holds_what_is_planned(whole: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding too, when no block is there; every family, and both of Wan's halves."""
    give_memory_of_its_own(monkeypatch)
    seen, spec = really(CASCADES[name], whole, streamed_bytes), loads(CASCADES[name])
    given: dict[str, Any] = {"samples": 2, "batch": 2, "on_cpu": False, "root": whole}
    planned = plan_run(spec, nodes(spec), cap_bytes=1000, placement="auto", **given)
    for one, other in zip(planned.nodes, plan_run(spec, nodes(spec), **given).nodes, strict=True):
        assert one.comes == "blocks"
        assert one.own_bytes == pytest.approx(seen[one.node.name], rel=0.01)
        assert one.resting < one.weights == other.weights
        assert one.own_bytes <= other.own_bytes


@pytest.mark.parametrize("share", [0.5, 2.0], ids=["streamed", "resident"])
def test_a_pipelines_events_are_those_of_the_run(whole: Path, share: float) -> None:
    """By the sizes that its files' headers state."""
    file = whole / "events.yaml"
    file.write_text(CASCADES["x4"])
    spec = loads(CASCADES["x4"])
    weights = weights_of(nodes(spec), dict.fromkeys(["base", "upscaler"], 0), whole)
    cap = int(share * sum(size or 0 for size in weights.values()))
    live = Cascade.from_pretrained(file, runtime=Runtime(device="cpu", memory_cap=cap))
    assert weights == weights_bytes(live.stages)
    real = [event.event for event in live.sample("a red apple").trace.events]
    planned = plan_run(spec, nodes(spec), placement="auto", cap_bytes=cap, root=whole)
    assert [str(event) for event in planned.events] == real


def test_a_streamed_cascade_holds_what_is_planned(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_memory_of_its_own(monkeypatch)
    live = Cascade.from_pretrained(folder, runtime=Runtime(device="cpu", batch_size=4, memory_cap=1000))
    live.sample(["a", "b"])
    real = held(lambda: live.sample(["a", "b"], num=3)).tensors
    planned = plan_run(SPEC, nodes(SPEC), samples=6, batch=4, placement="auto", cap_bytes=1000, on_cpu=False)
    assert [one.comes for one in planned.nodes] == ["blocks"] * 3
    fullest = max(planned.nodes, key=lambda one: one.peak_bytes)
    masters = fullest.weights  # mapped beside the device, and counted by the allocator that stands in for it
    assert planned.peak_bytes == pytest.approx(real - masters, rel=0.02)


CAPS = {"resident": 10**8, "one kept": 12 * 10**6, "one at a time": 9 * 10**6, "one streamed": 5 * 10**6, "all": 1000}


@pytest.mark.parametrize("cap", [None, *CAPS.values()], ids=["none", *CAPS])
@pytest.mark.parametrize("placement", ["auto", "resident", "one-at-a-time"])
def test_the_events_are_those_of_the_run(folder: Path, cap: int | None, placement: Wanted) -> None:
    runtime = Runtime(device="cpu", memory_cap=cap, placement=placement)
    real = [event.event for event in Cascade.from_pretrained(folder, runtime=runtime).sample("a").trace.events]
    planned = plan_run(SPEC, nodes(SPEC), placement=placement, cap_bytes=cap, root=folder)
    assert [str(event) for event in planned.events] == real


def test_the_caps_of_these_tests_differ_in_what_they_do() -> None:
    told = {name: plan_run(SPEC, nodes(SPEC), placement="auto", cap_bytes=cap).lie for name, cap in CAPS.items()}
    assert {name: (len(lie.streamed), len(lie.kept)) for name, lie in told.items()} == {
        "resident": (0, 0), "one at a time": (0, 0), "one kept": (0, 1), "one streamed": (1, 0), "all": (3, 0),
    }  # fmt: skip


def test_weights_are_those_that_the_engine_finds(folder: Path) -> None:
    graph = nodes(SPEC)
    found = {one.node.stage.name: one.weights for one in plan_run(SPEC, graph).nodes}
    live = Cascade.from_pretrained(folder, runtime=Runtime(device="cpu", memory_cap=1000))
    assert weights_of(graph, found, folder) == weights_bytes(live.stages)


def test_kept_stages_count_beside_the_others() -> None:
    apart, kept = (
        plan_run(SPEC, nodes(SPEC), placement=wanted, cap_bytes=CAPS["one kept"], on_cpu=False)
        for wanted in ("one-at-a-time", "auto")
    )
    (name,) = kept.lie.kept
    weights = {one.node.stage.name: one.weights for one in kept.nodes}
    for one, other in zip(apart.nodes, kept.nodes, strict=True):
        assert other.peak_bytes - one.peak_bytes == (weights[name] if one.node.stage.name != name else 0)


def test_every_evaluation_brings_all_blocks() -> None:
    run = plan_run(
        SPEC, nodes(SPEC), samples=6, batch=4, placement="auto", cap_bytes=CAPS["one streamed"], on_cpu=False
    )
    one = next(one for one in run.nodes if one.streams)
    assert one.brought_bytes == one.weights * sum(one.passes.values()) * 2, "two batches"
    assert fetched_bytes(run) == one.brought_bytes + sum(other.weights for other in run.nodes if other is not one)


def test_on_a_cpu_a_streamed_stage_is_mapped_whole() -> None:
    streamed, whole = (plan_run(SPEC, nodes(SPEC), placement="one-at-a-time", cap_bytes=cap) for cap in (1000, None))
    assert [one.comes for one in streamed.nodes] == ["mapped"] * 3
    assert [one.peak_bytes for one in streamed.nodes] == [one.peak_bytes for one in whole.nodes]
