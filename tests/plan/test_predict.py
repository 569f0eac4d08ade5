"""What a whole run holds, against the allocator; and what moves under each placement."""

from __future__ import annotations

from pathlib import Path

import pytest
from meter import allocated
from tests.plan.measured import trained
from three_stages import three_stages
from torch.utils.flop_counter import FlopCounterMode

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.plan.predict import plan_run
from dynaxx.plan.profiles import profile_of
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


@pytest.mark.parametrize("text", ["{", "{}", '{"heights": [[[[0], 1]]]}', "[1]"])
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
        more = {"out": {"size": [8, 8]}, "train": {"batch_size": 2, "accumulate": parts, "steps": 1}}
        spec = parse({"name": "x", "stages": [stage | more]})
        (found[parts],) = plan_training(spec, nodes(spec))
    nothing = {"pointwise": Surface.of([(1.0,)], [1e-30]), "mm": Surface.of([(1.0, 1.0, 1.0)], [1e-30])}
    clock = ProbedClock("x", nothing, train=Fit(call_s=1e-3, weight_s=1.0))
    told = {parts: clock.seconds(one.profile, one.work, 2, (8, 8)).value for parts, one in found.items() if one.profile}
    assert found[5].profile is not None
    weights, again = found[5].profile.parameters, sum(found[5].profile.parts[1].values())
    assert told[1] == pytest.approx(weights + 1e-3 * sum(found[1].work.values()))
    assert told[5] - told[1] == pytest.approx(4e-3 * again)
