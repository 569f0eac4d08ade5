"""A whole look: its report is plain data of the agreed form, the same each time, with or without a truth."""

from __future__ import annotations

import json

import beds
import pytest
import torch

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import DataError, UsageError
from dynaxx.lens.findings import SCHEMA
from dynaxx.lens.open import Options, look
from dynaxx.lens.reference import find, of_signals
from dynaxx.spec.files import parse
from dynaxx.store.strict_json import strict_json

KEYS = {
    "schema", "cascade", "verdict", "score", "floor", "distance", "stages", "findings", "curves", "error_table",
    "method", "samples", "applied",
}  # fmt: skip


def seen(cascade, **options):
    view = look(cascade, **options)
    done = list(view.steps())
    return view.lensed(), done


def without_times(data):
    if isinstance(data, dict):
        return {key: without_times(value) for key, value in data.items() if not key.endswith("latency_s")}
    return [without_times(value) for value in data] if isinstance(data, list) else data


def test_two_looks_find_the_same():
    both = [seen(beds.empirical(), options=Options(num=16, seed=4))[0].report.to_json() for _ in range(2)]
    first, second = (without_times(json.loads(strict_json(report))) for report in both)
    assert first == second
    assert set(first) == KEYS
    assert first["schema"] == SCHEMA


def test_every_probe_is_there_and_says_what_it_cost():
    lensed, done = seen(beds.gaussian((4, 8)), options=Options(num=16))
    names = [step.name for step in done]
    assert names == [
        "exam and error table", "consistency", "low_matters", "ownership", "detail", "flicker", "restoration", "gain",
        "level_sweep bridge.std", "steps base.steps", "steps bridge.steps",
    ]  # fmt: skip
    assert done[0].evaluations == 16 * (6 + 2 * 6)
    assert {curve.probe for curve in lensed.report.curves} == {
        "ownership",
        "spectrum",
        "restoration",
        "gain",
        "level_sweep",
    }
    assert len(lensed.worst) == 8
    assert lensed.worst[0].score >= lensed.worst[-1].score
    assert set(lensed.worst[0].frames) == {"base", "bridge"}


def test_a_budget_in_seconds_leaves_out_what_it_does_not_pay_for():
    _, done = seen(beds.gaussian((4, 8)), options=Options(num=16, budget=1e-6))
    left = {step.name for step in done if step.left_out}
    assert {"restoration", "gain", "level_sweep bridge.std"} <= left
    with pytest.raises(UsageError, match="budget"):
        seen(beds.gaussian((4, 8)), options=Options(num=16, budget=-1.0))


def test_with_prompts_alone_what_can_be_answered_is():
    lensed, done = seen(beds.empirical(), prompts=["pizza", "rocket"], options=Options(num=16))
    report = lensed.report
    assert (report.score, report.error_table, report.method["data"]) == (None, None, None)
    assert {f.probe for f in report.findings} >= {"exam", "consistency", "low_matters", "restoration", "gain"}
    assert {step.left_out for step in done if step.left_out} == {"it needs reference data"}
    assert all(view.own is None for view in report.stages)


def test_a_stage_that_ignores_its_input_is_found_without_a_truth():
    import faults

    cascade = faults.shuffled(beds.empirical(text=False), "bridge", 1)
    report = seen(cascade, prompts=["anything"], options=Options(num=64))[0].report
    assert (report.verdict.level, report.verdict.stage, report.verdict.kind) == ("fault", "bridge", "low-ignored")
    assert report.verdict.words[0].startswith("On inputs as a run gives them: ")
    assert not [f.says for f in report.findings if "true inputs" in f.says]


def test_parallel_and_recursive_cascades_are_looked_into():
    def exact(name, role, **rest):
        return {"name": name, "role": role, "kind": "gaussian", "size": [16], "solver": {"steps": 24}, **rest}

    def low(parents, **rest):
        return {"low": {"from": parents, "resize": "fourier", "noise": {"std": 0.1}, **rest}}

    def out(n):
        return {"channels": 1, "size": [n]}

    parallel = [
        exact("a", "base", out=out(4)), exact("b", "base", out=out(4)),
        exact("join", "bridge", inputs=low(["a", "b"], merge="weighted", weights=[3, 1]), out=out(8)),
    ]  # fmt: skip
    scaled = {"channels": 1, "scale": 2}
    recursive = [
        exact("base", "base", out=out(4)), exact("up", "bridge", inputs=low("base"), out=scaled, repeat={"times": 2})
    ]  # fmt: skip
    for stages, names in ((parallel, ["a", "b", "join"]), (recursive, ["base", "up@1", "up@2"])):
        report = seen(Cascade.from_spec(parse({"name": "shape", "stages": stages})), options=Options(num=16))[0].report
        assert [view.node for view in report.stages] == names
        assert sum(view.share.value for view in report.stages) == pytest.approx(report.score.value, abs=1e-9)


def test_what_cannot_be_used_is_refused():
    cascade = beds.gaussian((4, 8))
    with pytest.raises(UsageError, match="prompts"):
        look(cascade, prompts=["a"], reference=find(cascade.spec, 8))
    with pytest.raises(DataError, match="too few"):
        of_signals(cascade.spec, torch.zeros(3, 1, 8))
    with pytest.raises(DataError, match="channels"):
        of_signals(cascade.spec, torch.zeros(9, 2, 8))
