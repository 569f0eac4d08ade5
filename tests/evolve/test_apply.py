"""Remedies are written as a cascade file and measured again on samples that the report did not see."""

from __future__ import annotations

import beds
import pytest

from dynaxx.engine.cascade import Cascade
from dynaxx.evolve.apply import apply, remedies
from dynaxx.lens.open import Options, look


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
    from dynaxx.lens.bench import Bench
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
