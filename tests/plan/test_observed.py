"""What was seen sharpens what is told, by exact formulas; cold and warm are kept apart, and files may be damaged."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch

from dynaxx.engine.cascade import Cascade
from dynaxx.engine.observe import _seen, observe
from dynaxx.plan.table import Question, answer_for
from dynaxx.plan.time.clock import Fit, ProbedClock
from dynaxx.plan.time.interval import Z90, Interval
from dynaxx.plan.time.kept import calibrated, keep, observed
from dynaxx.plan.time.observed import LAST, REPEATS, Observed, Way
from dynaxx.plan.time.surface import Surface
from dynaxx.plan.told import way_of
from dynaxx.spec.files import parse
from dynaxx.spec.graph import nodes

SPEC = {
    "name": "one",
    "stages": [{
        "name": "base", "role": "base", "network": {"width": 8, "mults": [1, 2], "blocks": 1, "attention": []},
        "out": {"size": [8, 8]}, "solver": {"steps": 2},
    }],
}  # fmt: skip


WAY, LARGER, ANOTHER = Way("s", "8x8/1"), Way("s", "8x8/16"), Way("other", "8x8/1")


def test_one_run_moves_the_prediction_by_what_it_is_worth(tmp_path):
    told = Interval.around(2.0, 0.1)
    seen = Observed(tmp_path / "seen.json")
    seen.add(WAY, told=1.0, seen=1.5, cold=False)
    found = seen.sharpened(WAY, told)
    trust = 0.1**2 / (0.1**2 + REPEATS**2)
    assert found.value == pytest.approx(2.0 * 1.5**trust)
    spread = math.log(found.high / found.value) / Z90
    assert spread**2 == pytest.approx(trust * REPEATS**2 + REPEATS**2)
    assert spread < 0.1
    assert seen.sharpened(ANOTHER, told) == told


def test_what_was_seen_of_one_batch_only_widens_what_is_told_of_another(tmp_path):
    seen, told = Observed(tmp_path / "seen.json"), Interval.around(1.6, 0.1)
    seen.add(LARGER, told=2.0, seen=1.0, cold=False)
    assert seen.sharpened(WAY, told) == Interval(1.6, 0.8, told.high)
    seen.add(WAY, told=1.6, seen=1.6, cold=False)
    assert seen.sharpened(WAY, told).value == pytest.approx(1.6)


def test_slow_neighbours_and_cold_runs_do_not_count(tmp_path):
    seen, told = Observed(tmp_path / "seen.json"), Interval.around(1.0, 0.5)
    seen.add(WAY, told=1.0, seen=1.0, cold=False)
    quiet = seen.sharpened(WAY, told)
    seen.add(WAY, told=1.0, seen=9.0, cold=False)
    seen.add(WAY, told=1.0, seen=5.0, cold=True)
    assert seen.sharpened(WAY, told) == quiet
    assert seen.first_extra_s(WAY) == pytest.approx(4.0)
    assert seen.first_extra_s(ANOTHER) is None


@pytest.mark.parametrize(("took", "value"), [(0.5, 0.5), (1.5, 1.0), (99.0, 1.0)])
def test_a_cold_run_alone_bounds_from_above_and_says_nothing_of_what_is_extra(tmp_path, took, value):
    seen, told = Observed(tmp_path / "seen.json"), Interval.around(1.0, 0.5)
    seen.add(WAY, told=1.0, seen=took, cold=True)
    found = seen.sharpened(WAY, told)
    assert found.value == value
    assert found.low <= found.value <= found.high
    assert found.high == pytest.approx(min(told.high, took * math.exp(Z90 * REPEATS)))
    assert seen.first_extra_s(WAY) is None


def test_the_last_runs_are_kept(tmp_path):
    file = tmp_path / "machines" / "seen.json"
    seen = Observed(file)
    for i in range(LAST + 3):
        seen.add(WAY, told=1.0, seen=1.0 + i, cold=False)
    assert seen.keep()
    assert Observed.read(file) == seen
    assert len(seen.warm[str(WAY)]) == LAST


@pytest.mark.parametrize(
    "text",
    [
        "{", "{}", "[]", "3", "null", '{"warm": {}}', '{"warm": [], "cold": []}', '{"warm": {"s": 1}, "cold": {}}',
        '{"warm": {"s": [[1]]}, "cold": {}}', '{"warm": {"s": [[0, 1]]}, "cold": {}}',
        '{"warm": {"s": [["a", null]]}, "cold": {}}', '{"warm": {"s": [[1, 2, 3]]}, "cold": {}}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_none(tmp_path, text):
    file = tmp_path / "seen.json"
    file.write_text(text)
    found = Observed.read(file)
    assert (found.warm, found.cold) == ({}, {})
    found.add(WAY, told=1.0, seen=2.0, cold=False)
    assert found.keep()
    assert Observed.read(file).warm == {str(WAY): [(1.0, 2.0)]}


def test_processes_that_keep_at_once_lose_nothing(tmp_path):
    code = """
import sys
from pathlib import Path
from dynaxx.plan.time.observed import Observed, Way
for i in range(10):
    found = Observed.read(Path(sys.argv[1]))
    found.add(Way(sys.argv[2], str(i)), told=1.0, seen=2.0, cold=False)
    assert found.keep()
"""
    file = tmp_path / "seen.json"
    both = [subprocess.Popen([sys.executable, "-c", code, str(file), name]) for name in ("a", "b")]
    assert [one.wait() for one in both] == [0, 0]
    assert len(Observed.read(file).warm) == 20


def made_up_clock():
    """A machine of one probe each, a thousand times as slow as any: a prediction that is surely wrong."""
    point = Surface.of([(1.0,), (9.0,)], [1e-3, 1e-2])
    shaped = Surface.of([(2.0, 2.0, 5.0), (3.0, 3.0, 6.0)], [1e-2, 1e-1])
    return ProbedClock("made up", {"pointwise": point, "conv-2d-3-1": shaped, "mm": shaped}, Fit(), Fit())


def test_a_real_run_is_kept_and_sharpens_the_next_plan(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    cpu, spec = torch.device("cpu"), parse(SPEC)
    cascade = Cascade.from_spec(spec, fresh=True)
    samples = cascade.sample(num=4)
    assert observe(cascade, samples.trace) == 0  # nobody calibrated this machine
    assert keep(made_up_clock(), cpu)
    assert calibrated(cpu) is not None
    way = way_of(nodes(spec)[0], spec.condition, 4)
    assert way is not None
    _seen.discard(way.stage)
    question = Question("one", samples=4)
    before = answer_for(spec, question)["run"]
    assert before["first_extra_s"] is None
    for _ in range(3):
        trace = cascade.sample(num=4).trace
        assert observe(cascade, trace) == 1
    kept = observed(cpu)
    assert (len(kept.cold[str(way)]), len(kept.warm[str(way)])) == (1, 2)
    after = answer_for(spec, question)["run"]
    real = min(seen for _, seen in kept.warm[str(way)])
    assert abs(math.log(after["latency_s"]["value"] / real)) < abs(math.log(before["latency_s"]["value"] / real))
    assert after["first_extra_s"] is not None
    other = answer_for(spec, Question("one", samples=64))["run"]["latency_s"]
    assert other["high"] / other["low"] >= 0.99 * before["latency_s"]["high"] / before["latency_s"]["low"]
    assert keep(made_up_clock(), cpu)  # calibrated anew: what was held against the old one is let go
    assert observed(cpu).warm == {}


def test_a_calibration_is_kept_where_what_was_seen_cannot_be_removed(tmp_path, monkeypatch):
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    cpu = torch.device("cpu")
    observed(cpu).file.mkdir(parents=True)
    assert keep(made_up_clock(), cpu)
    assert calibrated(cpu) is not None
    assert observed(cpu).warm == {}


def test_two_commands_sharpen_the_plan(tmp_path, monkeypatch):
    """Two real processes: each one's first batch is cold, its second warm, and the plan goes by the warm ones."""
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path / "cache"))
    spec, cpu = parse(SPEC), torch.device("cpu")
    Cascade.from_spec(spec, fresh=True).save_pretrained(tmp_path / "run")
    assert keep(made_up_clock(), cpu)
    question = Question("one", samples=4, batch=2)
    before = answer_for(spec, question)["run"]
    for i in range(2):
        command = ["sample", str(tmp_path / "run"), "--num", "4", "--batch", "2", "--out", str(tmp_path / f"out{i}")]
        subprocess.run([sys.executable, "-m", "dynaxx", *command], check=True, capture_output=True)
    way = way_of(nodes(spec)[0], spec.condition, 2)
    kept = observed(cpu)
    assert (len(kept.cold[str(way)]), len(kept.warm[str(way)])) == (2, 2)
    after = answer_for(spec, question)["run"]
    real = 2 * min(seen for _, seen in kept.warm[str(way)])
    assert abs(math.log(after["latency_s"]["value"] / real)) < abs(math.log(before["latency_s"]["value"] / real))
    assert after["latency_s"]["high"] / after["latency_s"]["low"] < 1.4
    assert after["first_extra_s"] is not None


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
