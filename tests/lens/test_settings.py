"""What is swept, and what follows: steps that smooth detail away are found, measured and set right."""

from __future__ import annotations

import beds
import faults
import pytest

from dynaxx.engine.cascade import Cascade
from dynaxx.lens.open import Options, look
from dynaxx.lens.settings import settings
from dynaxx.lens.sweep import score, sweep
from dynaxx.spec.override import override


def swept(cascade, key, num=48):
    bench = look(cascade, options=Options(num=num)).bench
    setting = next(setting for setting in settings(bench) if setting.full == key)
    outcome = sweep(bench, setting, rows=num)
    return bench, setting, outcome.findings[0], outcome.curves


def test_levels_guidance_steps_and_starts_are_settings():
    spec = override(beds.empirical().spec, {"bridge.solver.guidance": 2.0, "bridge.process": {"kind": "truncated"}})
    found = {s.full: s for s in settings(look(Cascade.from_spec(spec), options=Options(num=16)).bench)}
    assert set(found) == {
        "bridge.inputs.low.noise.std", "bridge.solver.guidance", "base.solver.steps", "bridge.solver.steps",
        "bridge.process.start",
    }  # fmt: skip
    assert found["bridge.solver.steps"].values == (2, 3, 6, 12)
    assert found["bridge.process.start"].values == (0.05, 0.1, 0.2)
    assert all(setting.now in setting.values for setting in found.values())


def test_the_start_of_a_trained_stage_is_no_setting():
    cascade = Cascade.from_pretrained("emoji-64")
    assert cascade.spec.stages[2].process.kind == "truncated"
    view = look(cascade, data=beds.empirical().spec.stages[0].data, options=Options(num=8))
    found = {s.full for s in settings(view.bench)}
    assert "refine.solver.steps" in found
    assert "refine.process.start" not in found


def test_too_many_steps_are_found_and_set_right():
    cascade = faults.worn(beds.gaussian((8, 16), axes=2, steps=24, kind="dpmpp-2m"), "bridge", 1.2)
    bench, setting, found, curves = swept(cascade, "bridge.solver.steps")
    assert (found.level, found.kind, found.probe) == ("fault", "over-smoothed", "steps")
    fewer = found.change["bridge.solver.steps"]
    assert fewer in (6, 12)
    assert isinstance(fewer, int)
    now, then = (score(bench, cascade.with_settings({setting.full: n}), setting.node, rows=48) for n in (24, fewer))
    assert found.gain.value == pytest.approx((now - then).value)
    detail = dict(zip(curves[1].series[0].x, curves[1].series[0].y, strict=True))
    assert detail[24] < detail[12] < detail[6]
    assert detail[24] < -3


def test_the_exam_takes_the_remedy_of_the_sweep():
    cascade = faults.worn(beds.gaussian((8, 16), axes=2, steps=24, kind="dpmpp-2m"), "bridge", 1.2)
    view = look(cascade, options=Options(num=48, budget="full"))
    list(view.steps())
    report = view.lensed().report
    assert (report.verdict.stage, report.verdict.kind) == ("bridge", "over-smoothed")
    fault = next(f for f in report.findings if f.probe == "exam" and f.level == "fault" and f.kind)
    assert fault.change == {"bridge.solver.steps": 6}
    assert "Set bridge.solver.steps to 6." in report.verdict.words


def test_a_healthy_stage_keeps_its_steps_and_its_start():
    cascade = Cascade.from_spec(
        override(beds.empirical().spec, {"bridge.process": {"kind": "truncated", "start": 0.3}})
    )
    for key in ("bridge.solver.steps", "bridge.process.start"):
        assert swept(cascade, key, num=24)[2].level == "healthy"
