"""A low input in the place of another: where it is joined from several signals, each of them joined gives it back."""

from __future__ import annotations

import beds
import pytest
import torch
from healthy import exact

from dynaxx.engine.cascade import Cascade
from dynaxx.lens.open import Options, look
from dynaxx.lens.reference import of_signals
from dynaxx.signal.random import Draws
from dynaxx.spec.files import parse

MERGES = [
    {"merge": "mean"},
    {"merge": "weighted", "weights": [3.0, 1.0]},
    {"merge": "weighted", "weights": [2.0, -0.5]},
    {"merge": "bands", "cutoff": 0.3},
    {"merge": "mask", "mask": "input.where"},
]


@pytest.mark.parametrize("how", MERGES, ids=lambda how: "-".join(str(x) for x in how.values()))
def test_signals_that_are_one_are_joined_to_it(how):
    inputs = {"inputs": {"where": {"channels": 1, "size": [8]}}} if "mask" in how else {}
    low = {"low": {"from": ["a", "b"], "resize": "fourier", "noise": {"std": 0.1, "train_std": [0, 1]}, **how}}
    first = {**exact(0, [16]), "out": {"channels": 1, "size": [8]}}
    last = {**exact(1, [16]), "name": "join", "inputs": low, "out": {"channels": 1, "size": [16]}}
    stages = [{**first, "name": "a"}, {**first, "name": "b"}, last]
    spec = parse({"name": "joined", "stages": stages, **inputs})
    truth = of_signals(spec, Draws(0, "truth", tuple(range(8))).normal("x", (1, 16)), kernel="fourier")
    bench = look(Cascade.from_spec(spec), reference=truth, options=Options(num=8)).bench
    node = bench.graph[-1]
    assert node in bench.later()
    x = Draws(1, "x", tuple(range(8))).normal("x", (1, 8))
    signals = {**bench.given, "a": x, "b": x}
    torch.testing.assert_close(bench.joined(node, signals), x, rtol=1e-5, atol=1e-6)


def test_signals_that_are_stacked_are_left_out():
    assert [node.name for node in look(beds.gaussian((4, 8)), options=Options(num=8)).bench.later()] == ["bridge"]
    low = {"low": {"from": ["a", "b"], "merge": "concat", "resize": "fourier"}}
    first = {**exact(0, [16]), "out": {"channels": 1, "size": [8]}}
    last = {**exact(1, [16]), "name": "join", "inputs": low, "out": {"channels": 1, "size": [16]}}
    stages = [{**first, "name": "a"}, {**first, "name": "b"}, last]
    cascade = Cascade.from_spec(parse({"name": "stacked", "stages": stages}))
    assert look(cascade, options=Options(num=8)).bench.later() == []
