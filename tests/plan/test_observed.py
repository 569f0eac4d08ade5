"""What was seen sharpens what is told, by exact formulas; cold and warm are kept apart, and files may be damaged."""

from __future__ import annotations

import math

import pytest
import torch

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.observe import _seen, observe
from dynaxx.plan.profiles import name_of
from dynaxx.plan.table import Question, answer_for
from dynaxx.plan.time.calibrate import calibrated, keep, observed
from dynaxx.plan.time.clock import Fit, ProbedClock
from dynaxx.plan.time.interval import Z90, Interval
from dynaxx.plan.time.observed import LAST, REPEATS, Observed
from dynaxx.plan.time.surface import Surface
from dynaxx.spec.files import parse
from dynaxx.spec.graph import nodes

SPEC = {
    "name": "one",
    "stages": [{
        "name": "base", "role": "base", "network": {"width": 8, "mults": [1, 2], "blocks": 1, "attention": []},
        "out": {"size": [8, 8]}, "solver": {"steps": 2},
    }],
}  # fmt: skip


def test_one_run_moves_the_prediction_by_what_it_is_worth(tmp_path):
    told = Interval.around(2.0, 0.1)
    seen = Observed(tmp_path / "seen.json")
    seen.add("s", told=1.0, seen=1.5, cold=False)
    found = seen.sharpened("s", told)
    trust = 0.1**2 / (0.1**2 + REPEATS**2)
    assert found.value == pytest.approx(2.0 * 1.5**trust)
    spread = math.log(found.high / found.value) / Z90
    assert spread**2 == pytest.approx(trust * REPEATS**2 + REPEATS**2)
    assert spread < 0.1
    assert seen.sharpened("another", told) == told


def test_slow_neighbours_and_cold_runs_do_not_count(tmp_path):
    seen, told = Observed(tmp_path / "seen.json"), Interval.around(1.0, 0.5)
    seen.add("s", told=1.0, seen=1.0, cold=False)
    quiet = seen.sharpened("s", told)
    seen.add("s", told=1.0, seen=9.0, cold=False)
    seen.add("s", told=1.0, seen=5.0, cold=True)
    assert seen.sharpened("s", told) == quiet
    assert seen.first_extra_s("s") == pytest.approx(4.0)
    assert seen.first_extra_s("another") is None


def test_the_last_runs_are_kept_and_a_damaged_file_is_none(tmp_path):
    file = tmp_path / "machines" / "seen.json"
    seen = Observed(file)
    for i in range(LAST + 3):
        seen.add("s", told=1.0, seen=1.0 + i, cold=False)
    assert seen.keep()
    assert Observed.read(file) == seen
    assert len(seen.warm["s"]) == LAST
    file.write_text("{")
    assert Observed.read(file).warm == {}


def made_up_clock():
    """A machine of one probe each: a prediction that is surely wrong."""
    point = Surface.of([(1.0,), (9.0,)], [1e-6, 1e-5])
    shaped = Surface.of([(2.0, 2.0, 5.0), (3.0, 3.0, 6.0)], [1e-5, 1e-4])
    return ProbedClock("made up", {"pointwise": point, "conv-2d-3-1": shaped, "mm": shaped}, Fit(), Fit())


def test_a_real_run_is_kept_and_sharpens_the_next_plan(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    cpu, spec = torch.device("cpu"), parse(SPEC)
    cascade = Cascade.from_spec(spec, fresh=True)
    samples = cascade.sample(num=4)
    assert observe(cascade, samples.trace) == 0  # nobody calibrated this machine
    assert keep(made_up_clock(), cpu)
    assert calibrated(cpu) is not None
    name = name_of(nodes(spec)[0], spec.condition)
    assert name is not None
    _seen.discard(name)
    question = Question("one", samples=4)
    before = answer_for(spec, question)["run"]
    assert before["first_extra_s"] is None
    for _ in range(3):
        trace = cascade.sample(num=4).trace
        assert observe(cascade, trace) == 1
    kept = observed(cpu)
    assert (len(kept.cold[name]), len(kept.warm[name])) == (1, 2)
    after = answer_for(spec, question)["run"]
    real = min(seen for _, seen in kept.warm[name])
    assert abs(math.log(after["latency_s"]["value"] / real)) < abs(math.log(before["latency_s"]["value"] / real))
    assert after["first_extra_s"] is not None
    assert keep(made_up_clock(), cpu)  # calibrated anew: what was held against the old one is let go
    assert observed(cpu).warm == {}


def test_other_ways_are_told_by_what_was_seen_as_the_plan_itself(tmp_path, monkeypatch):
    """The front's point at the plan's own batch is the plan's time, sharpened; a bare clock would be far from it."""
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    cpu, spec = torch.device("cpu"), parse(SPEC)
    assert keep(made_up_clock(), cpu)
    bare = answer_for(spec, Question("one", samples=4))["run"]["latency_s"]["value"]
    cascade = Cascade.from_spec(spec, fresh=True)
    for _ in range(2):
        assert observe(cascade, cascade.sample(num=4).trace) == 1
    plan = answer_for(spec, Question("one", samples=4, compared=True))
    way = next(way for way in plan["ways"] if way["batch"] == 4)
    assert plan["run"]["latency_s"]["value"] != pytest.approx(bare, rel=0.05)
    assert 4 * way["latency_s"]["value"] == pytest.approx(plan["run"]["latency_s"]["value"])
