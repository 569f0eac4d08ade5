"""Remedies are written as a cascade file and measured again on samples that the report did not see."""

from __future__ import annotations

import beds
import pytest
import torch

from dynaxx.engine.cascade import Cascade
from dynaxx.evolve import apply as applying
from dynaxx.evolve.apply import apply, remedies
from dynaxx.lens.bench import Bench
from dynaxx.lens.findings import Finding
from dynaxx.lens.open import Options, look
from dynaxx.spec.files import parse


def test_a_level_that_is_off_is_set_right(tmp_path):
    """Level 0.9 where 0 is best: at least 80% of the lost score comes back, on fresh signals and numbers."""
    cascade = beds.gaussian((8, 16), axes=2, std=0.9, steps=24, kind="dpmpp-2m")
    view = look(cascade, options=Options(num=64))
    list(view.steps())
    report = view.lensed().report
    assert report.verdict.kind == "level"
    made = apply(cascade, report.findings, tmp_path / "cascade.yaml", num=64)
    assert made is not None
    assert made.signals == "unseen"
    best = beds.gaussian((8, 16), axes=2, std=0.0, steps=24, kind="dpmpp-2m")
    lost = made.before.value - healthy_score(best)
    assert made.recovered.value >= 0.8 * lost
    assert made.recovered.low > 0
    mended = Cascade.from_pretrained(tmp_path / "cascade.yaml")
    assert mended.spec.stages[1].inputs["low"].std == made.changes[0]["now"]
    assert made.changes[0]["was"] == pytest.approx(0.9)


def healthy_score(cascade):
    from dynaxx.evolve.apply import FRESH
    from dynaxx.lens.reference import find
    from dynaxx.lens.sweep import score
    from dynaxx.lens.taps import Taps

    reference = find(cascade.spec, 64, skip=64)
    bench = Bench(Taps.of(cascade, reference, seed=FRESH), reference)
    return score(bench, cascade, bench.last, rows=64).value


def test_a_healthy_cascade_has_nothing_to_apply(tmp_path):
    cascade = beds.gaussian((8, 16), axes=2, std=0.0, steps=24, kind="dpmpp-2m")
    view = look(cascade, options=Options(num=32))
    list(view.steps())
    report = view.lensed().report
    assert remedies(report.findings) == {}
    assert apply(cascade, report.findings, tmp_path / "cascade.yaml", num=32) is None
    assert not (tmp_path / "cascade.yaml").exists()


def masked():
    """A cascade that repaints what a mask of the user's says."""

    def stage(name, **more):
        return {"name": name, "role": name, "kind": "empirical", "data": beds.DATA, "solver": {"steps": 2}, **more}

    low = {"from": ["input.image", "base"], "merge": "mask", "mask": "input.mask"}
    low |= {"noise": {"train_std": [0.0, 0.6], "std": 0.1}}
    due = {"image": {"channels": 3, "size": [8, 8]}, "mask": {"channels": 1, "size": [8, 8]}}
    stages = [stage("base", out={"size": [8, 8]}), stage("bridge", inputs={"low": low}, out={"scale": 2})]
    return Cascade.from_spec(parse({"name": "masked", "condition": {"text": {}}, "inputs": due, "stages": stages}))


@pytest.mark.parametrize("each", [True, False])
def test_inputs_stay_with_the_signals_that_they_were_given_for(tmp_path, monkeypatch, each):
    """Masks that differ are scored on the signals of the look; one mask for all, on unseen ones."""
    cascade, benches = masked(), []
    masks = (
        torch.randn(8 if each else 1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).sign().expand(8, -1, 8, 8)
    )
    given = {"input.mask": masks}
    view = look(cascade, given=given, options=Options(num=8, seed=3))
    monkeypatch.setattr(applying, "Bench", lambda *parts: benches.append(Bench(*parts)) or benches[-1])
    finding = Finding(
        "bridge.steps",
        "sweep",
        "bridge",
        "steps",
        None,
        None,
        None,
        8,
        "",
        "fault",
        "",
        change={"bridge.solver.steps": 3},
    )
    made = apply(cascade, [finding], tmp_path / "cascade.yaml", num=8, given=given, seed=3)
    assert made.signals == ("the same signals, fresh random numbers" if each else "unseen")
    found = benches[0]
    assert (found.reference.fingerprint == view.bench.reference.fingerprint) == each
    assert torch.equal(found.taps.given["input.mask"], masks)
    assert torch.equal(found.taps.given["input.image"], view.bench.taps.given["input.image"]) == each
    assert found.taps.seed != view.bench.taps.seed
