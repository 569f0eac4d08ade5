"""Taps run what the cascade runs, number for number, and run nothing twice."""

from __future__ import annotations

import beds
import pytest
import torch

from dynaxx.engine.cascade import Cascade
from dynaxx.lens.orders import orders
from dynaxx.lens.reference import find
from dynaxx.lens.taps import Taps
from dynaxx.plan.walk import network_calls
from dynaxx.spec.files import parse
from dynaxx.spec.graph import nodes


@pytest.mark.parametrize("make", [beds.gaussian, beds.empirical], ids=["gaussian", "empirical"])
def test_the_chain_is_what_the_cascade_samples(make):
    cascade = make()
    taps = Taps.of(cascade, find(cascade.spec, 8, seed=3), seed=5)
    chain = taps.chain()
    asked = list(taps.prompts) or None
    whole = cascade.sample(asked, num=1 if asked else 8, seed=5, keep=True)
    for name, x in whole.stages.items():
        assert torch.equal(chain[name], x)


def test_a_stage_in_the_middle_of_a_walk_is_run_with_the_one_that_takes_it_up():
    hand = {"low": {"from": "base", "via": "start", "hand": "noisy", "hand_std": 1.0}}
    exact = {
        "kind": "gaussian",
        "size": [8],
        "out": {"channels": 1, "size": [8]},
        "solver": {"kind": "ddim", "steps": 4},
    }
    stages = [{"name": "base", "role": "base", **exact}, {"name": "refine", "role": "refine", "inputs": hand, **exact}]
    cascade = Cascade.from_spec(parse({"name": "halves", "stages": stages}))
    taps = Taps.of(cascade, find(cascade.spec, 8))
    assert torch.equal(taps.chain()["refine"], cascade.sample(num=8).x)


def test_a_second_look_runs_only_what_changed(tmp_path):
    cascade = beds.gaussian()
    reference = find(cascade.spec, 8)
    first = Taps.of(cascade, reference, folder=tmp_path)
    before = first.chain()
    assert first.kept.made == 3
    again = Taps.of(cascade, reference, folder=tmp_path)
    assert all(torch.equal(x, before[name]) for name, x in again.chain().items())
    assert (again.kept.made, again.kept.found) == (0, 3)
    changed = Taps.of(cascade.with_settings({"refine.solver.steps": 9}), reference, folder=tmp_path)
    changed.chain()
    assert (changed.kept.made, changed.kept.found) == (1, 2)


def test_a_damaged_file_is_made_anew(tmp_path):
    cascade = beds.gaussian((4, 8))
    reference = find(cascade.spec, 8)
    before = Taps.of(cascade, reference, folder=tmp_path).chain()
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:40])
    again = Taps.of(cascade, reference, folder=tmp_path)
    assert torch.equal(again.chain()["bridge"], before["bridge"])
    assert again.kept.made == 2


def test_evaluations_count_second_halves_and_guidance():
    spec = beds.empirical().spec
    base = nodes(spec)[0]
    heun = base.stage.model_copy(
        update={"solver": base.stage.solver.model_copy(update={"kind": "heun", "guidance": 3.0})}
    )
    assert network_calls(base) == 6
    assert network_calls(nodes(spec.model_copy(update={"stages": (heun, *spec.stages[1:])}))[0]) == 22
    bare = heun.model_copy(update={"solver": heun.solver.model_copy(update={"guidance": 0.0})})
    assert network_calls(nodes(spec.model_copy(update={"stages": (bare, *spec.stages[1:])}))[0]) == 11  # unasked: one


def test_parallel_stages_leave_a_choice_of_order():
    def base(name):
        return {"name": name, "role": "base", "kind": "gaussian", "size": [8], "out": {"channels": 1, "size": [4]}}

    low = {"low": {"from": ["a", "b"], "merge": "mean", "resize": "fourier"}}
    join = {"name": "join", "role": "bridge", "kind": "gaussian", "size": [8], "inputs": low}
    stages = [base("a"), base("b"), {**join, "out": {"channels": 1, "size": [8]}}]
    graph = nodes(parse({"name": "parallel", "stages": stages}))
    assert orders(graph) == [("a", "b", "join"), ("b", "a", "join")]
