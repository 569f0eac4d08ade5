"""Codecs of latent stages in the plan: weights where they lie, workings where they work, against the allocator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from meter import allocated
from tiny_codecs import autoencoder, saved

from dynaxx.cli import run
from dynaxx.engine.cascade import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.plan.predict import RunPlan, plan_run
from dynaxx.spec.files import dump, parse
from dynaxx.spec.graph import nodes

NET = {"width": 16, "mults": [1, 2], "blocks": 1, "attention": []}
CODEC = {"vae": {"load": "vae", "factor": 2}}
LATENT = {
    "name": "base", "role": "base", "network": NET, "solver": {"steps": 2},
    "out": {"channels": 4, "size": [32, 32], "space": "vae"},
}  # fmt: skip
UP = {
    "name": "up", "role": "bridge", "network": NET, "solver": {"steps": 2}, "out": {"channels": 3, "size": [64, 64]},
    "inputs": {"low": {"from": "base", "noise": {"train_std": [0.0, 0.5], "std": 0.1}}},
}  # fmt: skip
PIXEL = LATENT | {"out": {"channels": 3, "size": [64, 64]}}
AGAIN = UP | {"out": {"channels": 4, "size": [32, 32], "space": "vae"}}
CASES = {"decoded at the end": [LATENT], "into pixels": [LATENT, UP], "into latents": [PIXEL, AGAIN]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codecs")
    saved("kl", folder / "vae")
    return folder


def spec_of(stages: list[dict[str, Any]], **codec: Any) -> Any:
    return parse({"name": "x", "codecs": {"vae": CODEC["vae"] | codec}, "stages": stages})


def planned(stages: list[dict[str, Any]], root: Path, **more: Any) -> RunPlan:
    spec = spec_of(stages)
    graph = nodes(spec)
    shown = [graph[-1].name] if graph[-1].decoded is not None else []
    return plan_run(spec, graph, decode=shown, root=root, **more)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("samples", "batch"), [(4, 4), (24, 8)])
def test_a_run_holds_what_the_allocator_gives_out(root: Path, name: str, samples: int, batch: int) -> None:
    """Of 24 samples, 16 pass the autoencoder at once."""

    def work() -> None:
        live = Cascade.from_spec(
            spec_of(CASES[name]), root=root, fresh=True, runtime=Runtime(device="cpu", batch_size=batch)
        )
        live.sample(num=samples, seed=1, decode=True)

    found = planned(CASES[name], root, samples=samples, batch=batch)
    assert found.peak_bytes == pytest.approx(allocated(work), rel=0.03)


def test_without_its_codec_the_plan_would_be_short(root: Path) -> None:
    """What is counted for it is most of the peak here: the test above would see it missing."""
    spec = spec_of([LATENT])
    blind = plan_run(spec, nodes(spec), samples=24, batch=8, root=root)
    assert blind.peak_bytes < 0.5 * planned([LATENT], root, samples=24, batch=8).peak_bytes


def test_a_device_of_its_own_holds_a_codec_while_it_is_needed(root: Path) -> None:
    """One at a time: the base without it, the bridge with it; on a CPU both, since it is opened before the first."""
    codec = planned([LATENT, UP], root).codecs[0]
    network = saved_parameters(root)
    assert (codec.name, codec.parameters, codec.weights, codec.unknown) == ("vae", network, 4 * network, "")
    given: dict[str, Any] = {"samples": 1, "placement": "one-at-a-time"}
    (away, near), (cpu, _) = (planned([LATENT, UP], root, on_cpu=on_cpu, **given).nodes for on_cpu in (False, True))
    assert away.peak_bytes == away.own_bytes
    assert near.peak_bytes > near.own_bytes + codec.weights
    assert cpu.peak_bytes == cpu.own_bytes + codec.weights


def saved_parameters(root: Path) -> int:
    return sum(p.numel() for p in autoencoder("kl").parameters())


def test_the_command_says_what_codecs_hold(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "latent.yaml").write_text(dump(spec_of([LATENT])))
    assert run(["plan", str(root / "latent.yaml"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["codecs"] == [
        {
            "name": "vae",
            "parameters": saved_parameters(root),
            "weights_bytes": 4 * saved_parameters(root),
            "unknown": "",
        }
    ]
    assert not found["unknown"]
    assert run(["plan", str(root / "latent.yaml")]) == 0
    assert "codec vae:" in capsys.readouterr().out


def test_a_codec_that_is_not_there_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "lost.yaml").write_text(dump(spec_of([LATENT], load="nowhere")))
    assert run(["plan", str(root / "lost.yaml"), "--json"]) == 0
    (reason,) = json.loads(capsys.readouterr().out)["unknown"]
    assert "codec 'vae'" in reason
    assert "nowhere" in reason


def test_an_autoencoder_that_cannot_be_rehearsed_is_said(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights and its answers count all the same."""
    whole = planned([LATENT], root)

    def refuse(*given: Any) -> Any:
        raise NotImplementedError("asks for values")

    monkeypatch.setattr("dynaxx.plan.codecs.evaluated", refuse)
    monkeypatch.setattr("dynaxx.plan.codecs._kept", {})
    monkeypatch.setattr("dynaxx.plan.codecs.recall", lambda place: None)
    found = planned([LATENT], root)
    assert found.codecs[0].weights == whole.codecs[0].weights
    assert "workings cannot be rehearsed (asks for values)" in found.unknown[0]
    assert found.nodes[0].own_bytes < found.peak_bytes < whole.peak_bytes


@pytest.mark.parametrize("name", ["into pixels", "into latents"])
def test_a_node_is_planned_without_those_that_it_reads(root: Path, name: str) -> None:
    """As a run that begins in the middle is, and what was seen of each stage."""
    spec = spec_of(CASES[name])
    last = nodes(spec)[-1]
    alone = plan_run(spec, [last], root=root).nodes[0]
    assert alone.flops == planned(CASES[name], root).nodes[-1].flops > 0
