"""Validation while training: a better stage is nearer to the truth, and the log is the same after a stop."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.train.tiny import Given, tiny
from torch import Tensor

from dynaxx.errors import StoppedError
from dynaxx.signal.blur import blur
from dynaxx.spec.graph import nodes
from dynaxx.stage.stage import Request
from dynaxx.store.lines import read_lines
from dynaxx.train import Every, TrainStep, train
from dynaxx.train.material import Material, gather
from dynaxx.train.validate import Validation


class Teller:
    """A stage that answers with the truth, made worse by so much blur."""

    def __init__(self, truth: Tensor, std: float) -> None:
        self._truth, self._std = truth, std

    def run(self, request: Request) -> Tensor:
        return blur(self._truth, self._std)[list(request.draws.ids)]

    def to(self, device: torch.device) -> Teller:
        return self


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    spec = tiny(data__count=40)
    return gather(spec, None, root=None, cache=tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("place", [0, 1])
def test_a_worse_stage_is_farther_from_the_truth(place: int, material: Material) -> None:
    spec = tiny(data__count=40)
    graph = nodes(spec)
    node, grids = graph[place], {n.name: n.grid for n in graph}
    validation = Validation(spec, node, material, grids, "cpu")
    truth = material.signals.at(node.grid.size, range(40))
    found = [validation.measure(Teller(truth, std)) for std in (0.0, 0.4, 1.0)]
    assert [line["mmd2"] for line in found] == sorted(line["mmd2"] for line in found)
    assert found[0]["mmd2"] == pytest.approx(0, abs=1e-12)
    assert found[0]["detail_db"] == pytest.approx(0, abs=1e-9)
    assert found[2]["detail_db_high"] < 0
    assert (found[0]["n"], found[0]["of"]) == (40, "used")
    if place:
        assert found[0]["psnr_db"] == 100.0
        assert found[1]["psnr_db"] > found[2]["psnr_db"]
    else:
        assert "psnr_db" not in found[0]


def test_withheld_samples_come_first(material: Material) -> None:
    spec = tiny(data__count=40)
    graph = nodes(spec)
    grids = {n.name: n.grid for n in graph}
    apart = replace(material, withheld=0.5)
    validation = Validation(spec, graph[0], apart, grids, "cpu")
    line = validation.measure(Teller(torch.rand(40, 3, 4, 4), 0.0))
    assert line["of"] == "withheld"
    assert line["n"] == len(apart.groups("withheld")) < 40


@pytest.mark.parametrize("signals", [torch.zeros(12, 3, 8, 8), torch.rand(7, 3, 8, 8)])
def test_few_or_equal_samples_are_not_measured(signals: Tensor, tmp_path: Path) -> None:
    """The training goes on without."""
    spec = tiny(base__train__steps=1, bridge__train__steps=1)
    train(spec, data=Given(list(signals), ["x"] * len(signals)), out=tmp_path)
    assert read_lines(tmp_path / "training" / "base" / "validation.jsonl") == []


def test_the_lines_are_the_same_after_a_stop(tmp_path: Path) -> None:
    spec, every = tiny(base__train__steps=8, bridge__train__steps=6), Every(log=4, save=2, preview=3)

    def stop_once(step: TrainStep) -> None:
        if (step.stage, step.step) == ("bridge", 4):
            import os
            import signal

            os.kill(os.getpid(), signal.SIGTERM)

    train(spec, out=tmp_path / "straight", every=every)
    with pytest.raises(StoppedError):
        train(spec, out=tmp_path / "broken", every=every, on_step=stop_once)
    train(spec, out=tmp_path / "broken", every=every)
    for stage, steps in (("base", [3, 6, 8]), ("bridge", [3, 6])):
        lines = [read_lines(tmp_path / run / "training" / stage / "validation.jsonl") for run in ("straight", "broken")]
        assert [line["step"] for line in lines[0]] == steps
        assert lines[0] == lines[1]
        assert all(line["mmd2_low"] <= line["mmd2"] <= line["mmd2_high"] for line in lines[0])
