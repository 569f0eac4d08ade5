"""What a fitting counts and scales is taken up again as it was saved."""

from __future__ import annotations

import json

import torch
from tiny import base_only

from dynaxx.spec.graph import nodes
from dynaxx.stage.build import build_stages
from dynaxx.train.fitting import Fitting
from dynaxx.train.machine import Machine


def fresh() -> Fitting:
    spec = base_only()
    stage = build_stages(spec, list(nodes(spec)), root=None, fresh=True)["base"]
    return Fitting(stage, Machine(torch.device("cpu"), torch.float16))  # type: ignore[arg-type]


def test_half_precision_goes_on_with_its_scale() -> None:
    fitting = fresh()
    for factor in (1.0, float("inf"), 1.0):
        loss = sum(p.square().sum() for p in fitting.optimiser.parameters) * factor
        fitting.optimiser.scaler.scale(loss).backward()
        fitting.optimiser.clip()
        fitting.optimiser.step(1e-3)
    fitting.step, fitting.failed = 3, 2
    counts = json.loads(json.dumps(fitting.counts()))
    again = fresh()
    again.load(fitting.tensors(), counts)
    assert (counts["scaler"]["scale"], counts["scaler"]["_growth_tracker"]) == (2.0**11, 1)
    assert again.counts() == counts
