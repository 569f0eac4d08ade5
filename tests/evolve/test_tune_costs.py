"""What choices cost: the plan's own figures, and what is said where there are none."""

from __future__ import annotations

import beds
import pytest
from family_cascades import IF
from tiny_pipelines import saved

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import UsageError
from dynaxx.evolve.tune.cost import Cost, Costs
from dynaxx.evolve.tune.run import Options, Tuning
from dynaxx.evolve.tune.search import Bound
from dynaxx.plan.predict import plan_run
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.told import Teller
from dynaxx.plan.walk import network_calls
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.graph import nodes
from dynaxx.spec.solver import GuidanceSpec


def test_costs_are_the_plans(tmp_path):
    cascade = beds.empirical((8, 16), steps=6)
    costs = Costs(cascade)
    now, half = costs.of(cascade), costs.of(cascade.with_settings({"base.solver.steps": 3, "bridge.solver.steps": 3}))
    assert now.unit == "FLOPs"
    assert half.total == pytest.approx(now.total / 2, rel=0.1)
    exact = Costs(beds.gaussian((8, 16), axes=2))
    assert exact.of(exact.cascade).by_stage == {"base": 6.0, "bridge": 6.0}
    assert "FLOPs" in exact.unknown["base"]


def test_both_copies_under_guidance_are_paid_for_and_inside_its_interval_alone():
    """A walk that is guided at some levels costs one evaluation more at each of those."""
    trained = Costs(Cascade.from_pretrained("emoji-64"))
    plain, guided, always = (
        trained.of(trained.cascade.with_settings({"base.solver.guidance": guidance})).by_stage["base"]
        for guidance in (1.0, GuidanceSpec(scale=3.0, interval=(0.5, 1e9)), 3.0)
    )
    node = nodes(trained.cascade.spec)[0]
    assert guided == pytest.approx(plain * network_calls(node) / 24, rel=1e-3)
    assert always == pytest.approx(2 * plain, rel=1e-3)
    assert trained.unknown == {}


class _Unknown(dict):
    """No profile can be had."""

    def __contains__(self, key):
        return True

    def __getitem__(self, key):
        return "who knows"


class _Ticks:
    """A clock that takes a second for everything."""

    name = "ticks"

    def knows(self, profile):
        return True

    def seconds(self, profile, work, batch, size):
        return Interval(1.0, 1.0, 1.0)


TELLER = Teller(_Ticks(), ConditionSpec())


def test_a_stage_that_nobody_can_look_into_is_said_and_not_free():
    cascade = beds.empirical((8, 16), steps=6)
    costs = Costs(cascade, TELLER)
    costs._profiles = _Unknown()
    cost = costs.of(cascade)
    assert cost.unit == "evaluations"
    assert cost.by_stage == {"base": 6.0, "bridge": 6.0}
    assert cost.unknown == {"base": "who knows", "bridge": "who knows"}
    assert cost.latency_s is None
    with pytest.raises(UsageError, match="base.*who knows"):
        costs.check_timed()


def test_time_is_the_plans_and_a_latency_without_it_is_refused():
    cascade = beds.empirical((8, 16))
    assert Costs(cascade, TELLER).of(cascade).latency_s == 2.0
    with pytest.raises(UsageError, match="--calibrate"):
        Tuning(cascade, Options(Bound(latency_s=1.0), num=16, fresh=16))


def test_pipelines_cost_every_step_of_their_call(tmp_path):
    """FLOPs are the plan's own; where it cannot tell them, a pipeline counts its steps, twice under guidance."""
    for name in ("if-1", "if-2", "x4"):
        saved(name, tmp_path)
    file = tmp_path / "if.yaml"
    file.write_text(IF)
    cascade = Cascade.from_pretrained(file)
    costs = Costs(cascade)
    cost, planned = costs.of(cascade), plan_run(cascade.spec, nodes(cascade.spec), root=tmp_path).nodes
    assert cost.unit == "FLOPs"
    assert cost.by_stage == {one.node.name: one.flops for one in planned}
    blind = Costs(cascade)
    blind._profiles = _Unknown()
    evaluations = {one.node.name: sum(n * times for n, times in one.passes.items()) for one in planned}
    assert blind.of(cascade).by_stage == evaluations
    assert evaluations["one"] == 6


def test_a_pipelines_work_follows_the_steps_of_its_call(tmp_path):
    for name in ("if-1", "if-2", "x4"):
        saved(name, tmp_path)
    files = [tmp_path / name for name in ("short.yaml", "long.yaml")]
    for file, steps in zip(files, (3, 6), strict=True):
        file.write_text(IF.replace("num_inference_steps: 3}", f"num_inference_steps: {steps}}}"))
    short, long = (Cascade.from_pretrained(file) for file in files)
    costs = Costs(short)
    found = [costs.of(cascade).by_stage for cascade in (short, long)]
    assert found[1]["one"] == pytest.approx(2 * found[0]["one"], rel=0.01)
    assert found[1]["two"] == found[0]["two"]


def test_half_of_the_work_where_nothing_is_said():
    assert Bound.of(None, None) == Bound(0.5)
    assert Bound.of(None, 0.2) == Bound(None, 0.2)
    assert Bound.of(0.3, 0.2) == Bound(0.3, 0.2)
    slow, dear = Cost({"s": 9.0}, "FLOPs", 0.1), Cost({"s": 1.0}, "FLOPs", 0.3)
    now = Cost({"s": 10.0}, "FLOPs", 0.4)
    assert [Bound(None, 0.2).holds(one, now) for one in (slow, dear)] == [True, False]
    assert [Bound(0.5).holds(one, now) for one in (slow, dear)] == [False, True]
