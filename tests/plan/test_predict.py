"""What a whole run holds, against the allocator; and what moves under each placement."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from meter import allocated
from tests.plan.measured import trained
from three_stages import three_stages
from torch.utils.flop_counter import FlopCounterMode

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.plan.growth import Scale
from dynaxx.plan.predict import plan_run
from dynaxx.plan.profiles import profile_of
from dynaxx.plan.scores import ATTENTION, Scores, scores_of
from dynaxx.plan.time.clock import Fit, ProbedClock
from dynaxx.plan.time.surface import Surface
from dynaxx.plan.training import plan_training
from dynaxx.spec.files import loads, parse
from dynaxx.spec.graph import nodes
from dynaxx.store.cache import cache_folder

SPEC = loads(three_stages())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    monkeypatch.setattr("dynaxx.plan.profiles._kept", {})


def test_the_peak_of_a_cascade_is_what_the_allocator_gives_out() -> None:
    cascade = Cascade.from_spec(SPEC, runtime=Runtime(batch_size=4), fresh=True)
    weights = sum(p.numel() * 4 for stage in cascade.stages.values() for p in stage.network.parameters())  # type: ignore[attr-defined]
    cascade.sample(["a", "b"], num=1)
    found = allocated(lambda: cascade.sample(["a", "b"], num=4))
    planned = plan_run(SPEC, nodes(SPEC), samples=8, batch=4)
    assert planned.peak_bytes == pytest.approx(found + weights, rel=0.03)


def test_one_at_a_time_holds_one_stages_weights_on_a_device_of_its_own() -> None:
    graph = nodes(SPEC)
    all_of, one_of = (
        plan_run(SPEC, graph, samples=2, placement=placement, on_cpu=False)
        for placement in ("resident", "one-at-a-time")
    )
    first, last = all_of.nodes[0], all_of.nodes[-1]
    assert all_of.nodes[-1].peak_bytes - one_of.nodes[-1].peak_bytes == first.weights + all_of.nodes[1].weights
    assert one_of.nodes[-1].peak_bytes > last.weights


def test_on_a_cpu_resident_weights_are_there_from_the_beginning() -> None:
    graph = nodes(SPEC)
    all_of, one_of = plan_run(SPEC, graph, placement="resident"), plan_run(SPEC, graph, placement="one-at-a-time")
    others = sum(one.weights for one in all_of.nodes[1:])
    assert all_of.nodes[0].peak_bytes - one_of.nodes[0].peak_bytes == others


def test_the_second_question_is_answered_from_the_cache_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    node = nodes(SPEC)[1]
    first = profile_of(node, SPEC.condition)
    assert len(list(cache_folder("profiles").iterdir())) == 1
    monkeypatch.setattr("dynaxx.plan.profiles._kept", {})
    monkeypatch.setattr("dynaxx.plan.profiles.rehearse", None)  # a second rehearsal would fail
    other = nodes(SPEC, size=(32, 48))[1]
    again = profile_of(other, SPEC.condition)
    assert again == first
    assert again.peak_bytes(7, (64, 96)) > first.peak_bytes(7, (32, 32))


def test_a_plan_does_not_depend_on_what_was_asked_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of scores grow by steps: a stage of 8 x 8 was told those of the 64 x 64 that was rehearsed first."""
    stage = {"name": "s", "role": "base", "network": {"width": 16, "mults": [1, 2], "blocks": 1, "attention": [0, 1]}}
    found = {}
    for order in ((8, 64), (64, 8)):
        monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path / f"{order[0]}"))
        monkeypatch.setattr("dynaxx.plan.profiles._kept", {})
        for side in order:
            spec = parse({"name": "x", "stages": [stage | {"out": {"size": [side, side]}}]})
            profile = profile_of(nodes(spec)[0], spec.condition)
            found[order, side] = profile.peak_bytes(1, (side, side)) - profile.peak_bytes(1, (side, side), on_cpu=False)
    for side in (8, 64):
        assert found[(8, 64), side] == pytest.approx(found[(64, 8), side], abs=64)
    assert found[(64, 8), 8] < found[(64, 8), 64] / 4


@pytest.mark.parametrize(("rows", "at_once"), [(16, 32), (191, 32), (192, 64), (767, 64), (768, 256), (4096, 256)])
def test_blocks_of_scores_are_of_so_many_rows_and_512_columns(rows: int, at_once: int) -> None:
    for keys in (77, 512, 4096):
        scores = Scores((((0, 1), 1),), (((0, 0), keys),), 8)
        assert scores.bytes_at((3.0, float(rows))) == 8 * at_once * min(512, keys)
    query = torch.empty(2, 4, rows, 16, device="meta")
    found = scores_of(next(iter(ATTENTION)), (query, query), Scale(1, 1, fixed=(rows,)))
    assert found is not None
    assert found.bytes_at((2.0,)) == torch.get_num_threads() * 4 * at_once * min(512, rows)


@pytest.mark.parametrize("text", ["{", "{}", '{"tensors": [[[[0], 1]]], "at_work": [[1, 2]]}', "[1]"])
def test_a_damaged_cache_or_another_versions_is_made_again(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    node = nodes(SPEC)[0]
    first = profile_of(node, SPEC.condition)
    kept = next(cache_folder("profiles").iterdir())
    kept.write_text(text, encoding="utf-8")
    monkeypatch.setattr("dynaxx.plan.profiles._kept", {})
    assert profile_of(node, SPEC.condition) == first


def test_training_counts_gradients_moments_average_and_batches() -> None:
    for one in plan_training(SPEC, nodes(SPEC)):
        assert one.profile is not None
        assert one.peak_bytes > 5 * one.profile.weights
        assert one.flops > 2.5 * one.batch * one.profile.parameters


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_flops_of_a_step_are_those_of_all_its_parts(parts: int) -> None:
    """Against torch's counter: two real steps of so many accumulated parts."""
    stage = {
        "name": "s", "role": "base", "network": {"width": 16, "mults": [1, 2], "blocks": 1, "attention": []},
        "out": {"size": [16, 16]}, "train": {"batch_size": 2, "accumulate": parts},
    }  # fmt: skip
    spec = parse({"name": "x", "stages": [stage]})
    (one,) = plan_training(spec, nodes(spec))
    with FlopCounterMode(display=False) as counter:
        trained(spec, one.node, one.batch)()
    assert 2 * one.flops == counter.get_total_flops()


def test_parts_of_a_step_share_one_step_of_the_optimiser() -> None:
    """In closed form: parts take their work's time, each weight its optimiser's once."""
    stage = {"name": "s", "role": "base", "network": {"width": 8, "mults": [1], "blocks": 1, "attention": []}}
    found = {}
    for parts in (1, 5):
        more = {"out": {"size": [8, 8]}, "train": {"batch_size": 2, "accumulate": parts, "steps": 3}}
        spec = parse({"name": "x", "stages": [stage | more]})
        (found[parts],) = plan_training(spec, nodes(spec))
    nothing = {"pointwise": Surface.of([(1.0,)], [1e-30]), "mm": Surface.of([(1.0, 1.0, 1.0)], [1e-30])}
    clock = ProbedClock("x", nothing, train=Fit(call_s=1e-3, weight_s=1.0))
    told = {parts: took.value for parts, one in found.items() if (took := one.seconds(clock))}
    assert found[5].profile is not None
    weights, again = found[5].profile.parameters, sum(found[5].profile.parts[1].values())
    assert told[1] == pytest.approx(3 * (weights + 1e-3 * sum(found[1].work.values())))
    assert told[5] - told[1] == pytest.approx(3 * 4e-3 * again)
