"""Levers are tried on a real call, kept only where they make it faster and leave its answer, and are on record."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pipelines import saved
from torch import Tensor, nn

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.errors import UsageError
from dynaxx.spec.files import parse
from dynaxx.stage.pipeline import levers as pulled
from dynaxx.stage.pipeline.levers import LEVERS, Call, Lever, captured, choose

STAGE: dict[str, Any] = {
    "name": "base", "role": "base", "kind": "pipeline", "load": "sd", "call": {"num_inference_steps": 2},
    "out": {"size": [16, 16]},
}  # fmt: skip


class Clock:
    """A clock that stands still but for what networks say that they take."""

    now_s = 0.0

    def perf_counter(self) -> float:
        return self.now_s


CLOCK = Clock()


class Slow(nn.Module):
    """A network whose time and answer levers can change."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.pause, self.shift = nn.Parameter(torch.ones(1)), 8.0, 0.0

    def forward(self, x: Tensor, *, scale: float) -> tuple[Tensor]:
        CLOCK.now_s += self.pause
        return (self.weight * x * scale + self.shift,)


def quick(network: Any) -> None:
    network.pause = 2.0


def wrong(network: Any) -> None:
    network.pause, network.shift = 0.0, 1.0


def broken(network: Any) -> None:
    raise RuntimeError("no compiler")


CALL = Call((torch.ones(2, 3),), {"scale": 2.0})


def tried(monkeypatch: pytest.MonkeyPatch, **levers: Lever) -> dict[str, float]:
    for name, lever in levers.items():
        monkeypatch.setitem(LEVERS, name, lever)
    monkeypatch.setattr(pulled, "time", CLOCK)
    return choose(Slow(), CALL, tuple(levers), moves=False)


def test_what_is_faster_is_kept_and_what_answers_otherwise_or_fails_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = tried(
        monkeypatch, idle=Lever(lambda network: None), quick=Lever(quick), wrong=Lever(wrong), broken=Lever(broken)
    )
    assert speeds == {"idle": 1.0, "quick": 4.0, "wrong": 0.0, "broken": 0.0}


def test_what_a_device_does_not_have_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tried(monkeypatch, quick=Lever(quick, on=("cuda",))) == {}
    monkeypatch.setitem(LEVERS, "quick", Lever(quick, moves=False))
    assert choose(Slow(), CALL, ("quick",), moves=True) == {}


def test_the_first_call_is_captured_and_the_rest_is_left() -> None:
    network, after = Slow(), []

    def run() -> None:
        network(torch.zeros(1), scale=3.0)
        after.append(1)

    call = captured(network, run)
    assert torch.equal(call.args[0], torch.zeros(1))
    assert call.named == {"scale": 3.0}
    assert after == []
    assert network(torch.zeros(1), scale=3.0)[0] == 0, "the network is as it was"


def cascade(root: Path, device: str, *levers: str, **more: Any) -> Cascade:
    saved("sd", root)
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [STAGE]})
    return Cascade.from_spec(spec, root=root, runtime=Runtime(device=device, levers=levers, **more))


@pytest.mark.parametrize("placement", ["resident", "one-at-a-time"])
def test_a_pipeline_is_the_same_with_levers_and_its_trace_says_which(tmp_path: Path, placement: Any) -> None:
    live = cascade(tmp_path, "cpu", "channels-last", placement=placement)
    first, again = (live.sample("a red apple", seed=1) for _ in range(2))
    plain = cascade(tmp_path, "cpu").sample("a red apple", seed=1)
    assert (first.x - plain.x).abs().max() <= 1e-3
    assert first.trace.nodes[0].calls[0]["levers"] == again.trace.nodes[0].calls[0]["levers"], "tried once"
    assert set(first.trace.nodes[0].calls[0]["levers"]) == {"channels-last"}
    assert "levers" not in plain.trace.nodes[0].calls[0]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch's compiler needs one for C++")
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_network_gives_the_same_picture(tmp_path: Path) -> None:
    samples = cascade(tmp_path, "cpu", "compile").sample("a red apple", seed=1)
    assert samples.trace.nodes[0].calls[0]["levers"]["compile"] > 0, "it ran, and answered the same"
    assert (samples.x - cascade(tmp_path, "cpu").sample("a red apple", seed=1).x).abs().max() <= 1e-3


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("lever", sorted(LEVERS))
def test_levers_on_a_gpu(tmp_path: Path, lever: str) -> None:
    live = cascade(tmp_path, "cuda", lever)
    samples = live.sample("a red apple", seed=1)
    assert samples.trace.nodes[0].calls[0]["levers"][lever] > 0
    plain = cascade(tmp_path, "cuda").sample("a red apple", seed=1)
    assert (samples.x - plain.x).abs().max() <= 1e-2
    assert torch.equal(live.sample("a red apple", seed=1).x, live.sample("a red apple", seed=1).x)


def test_an_unknown_lever_is_named() -> None:
    with pytest.raises(UsageError, match="levers: 'turbo' is unknown"):
        Runtime(levers=("turbo",))
