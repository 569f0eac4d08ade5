"""Wrapped pipelines are planned from their configuration files alone, and the plan is what the real ones take."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from family_cascades import BY_SHARE, IF, LTX, SD_X2, SD_X4, sdxl
from meter import allocated
from tiny_pipelines import BUILDERS, saved
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from dynaxx.cli import run
from dynaxx.engine.cascade import Cascade
from dynaxx.plan import wrapped as module
from dynaxx.plan.growth import evaluate
from dynaxx.plan.predict import NodePlan, plan_run
from dynaxx.plan.table import Question, answer
from dynaxx.plan.time.devices import LAUNCH_S, device_named
from dynaxx.spec.files import loads
from dynaxx.spec.graph import nodes
from dynaxx.stage.pipeline.bare import evaluation

CASCADES = {"IF": IF, "SDXL": sdxl(BY_SHARE), "x2": SD_X2, "x4": SD_X4}
FOLDERS = ("if-1", "if-2", "x4", "sdxl", "sdxl-refiner", "sd", "sd-x2", "ltx", "ltx-up", "ltx-refine")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("whole")
    for name in FOLDERS:
        saved(name, root)
    return root


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipelines without a byte of weights."""
    root = tmp_path_factory.mktemp("bare")
    for name in FOLDERS:
        for file in [*saved(name, root).rglob("*.safetensors"), *(root / name).rglob("*.bin")]:
            file.unlink()
    return root


@pytest.fixture(autouse=True)
def _fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_kept", {})


def planned(text: str, root: Path, **more: Any) -> tuple[NodePlan, ...]:
    spec = loads(text)
    return plan_run(spec, nodes(spec), root=root, **more).nodes


def of(name: str) -> Any:
    return BUILDERS[name]()


@pytest.mark.parametrize("name", CASCADES)
def test_parts_are_counted_without_weights(bare: Path, name: str) -> None:
    for one in planned(CASCADES[name], bare):
        pipe = of(one.node.stage.load)
        real = {key: part for key, part in pipe.components.items() if isinstance(part, nn.Module)}
        assert dict(one.parts) == {key: sum(p.numel() for p in part.parameters()) for key, part in real.items()}
        assert one.parameters == sum(count for count in one.parts.values() if count is not None)
        assert one.unknown == ""


@pytest.mark.parametrize("name", CASCADES)
def test_evaluations_are_those_of_a_real_run(whole: Path, name: str) -> None:
    """Of the network itself, by its own forward: how often, and with how many copies of the batch."""
    (whole / "cascade.yaml").write_text(CASCADES[name])
    seen: list[int] = []
    forward = nn.Module.__call__

    def listening(self: nn.Module, *args: Any, **more: Any) -> Any:
        if type(self).__name__ == "UNet2DConditionModel":
            seen.append((args or tuple(more.values()))[0].shape[0])
        return forward(self, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Module, "__call__", listening)
        Cascade.from_pretrained(whole / "cascade.yaml").sample(["a red apple", "a green pear"])
    told = sum((Counter(one.passes) for one in planned(CASCADES[name], whole)), Counter[int]())
    assert Counter(count // 2 for count in seen) == told


PICTURE = """\
name: picture
condition: {text: {}}
inputs: {image: {size: [16, 16]}}
stages:
  - {name: one, role: base, kind: pipeline, load: sd, pipeline: StableDiffusionImg2ImgPipeline,
     inputs: {low: {from: input.image, via: start}}, call: {num_inference_steps: 10, strength: 0.5}, out: {scale: 1}}
"""
LIMITED = {
    "IF": (IF.replace("load: if-1,", "load: if-1, guidance_interval: [0.2, 2],"), {}),
    "SDXL": (sdxl(BY_SHARE).replace("load: sdxl,", "load: sdxl, guidance_interval: [1.8, 8],"), {}),
    "picture": (
        PICTURE.replace("load: sd,", "load: sd, guidance_interval: [0.5, 9],"),
        {"input.image": torch.zeros(2, 3, 16, 16)},
    ),
}


@pytest.mark.parametrize("name", LIMITED)
def test_guidance_within_an_interval_is_planned_as_it_runs(whole: Path, name: str) -> None:
    text, given = LIMITED[name]
    (whole / "limited.yaml").write_text(text)
    seen: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        forward = UNet2DConditionModel.forward

        def listening(self: Any, sample: Any, *args: Any, **more: Any) -> Any:
            seen.append(sample.shape[0])
            return forward(self, sample, *args, **more)

        patch.setattr(UNet2DConditionModel, "forward", listening)
        Cascade.from_pretrained(whole / "limited.yaml").sample(["a red apple", "a green pear"], given=given)
    plans = planned(text, whole)
    told = sum((Counter(one.passes) for one in plans), Counter[int]())
    assert Counter(count // 2 for count in seen) == told
    assert set(plans[0].passes) == {1, 2}, "some of its steps are guided, and some are not"
    first: Any = plans[0].node.stage
    assert module.evaluations_of(first, whole) == sum(copies * times for copies, times in plans[0].passes.items())


@pytest.mark.parametrize("name", ["IF", "SDXL", "x4"])
def test_flops_are_those_of_torchs_counter(bare: Path, name: str) -> None:
    for one in planned(CASCADES[name], bare):
        pipe, (copies, steps) = of(one.node.stage.load), next(iter(one.passes.items()))
        factor = one.node.grid.size[0] // _sites(one, pipe)
        size = tuple(side // factor for side in one.node.grid.size)
        with FlopCounterMode(display=False) as counter:
            evaluation(pipe.unet.to("meta"), copies, size)()
        walk = steps * counter.get_total_flops()
        with FlopCounterMode(display=False) as after:
            if one.node.grid.space == "pixels" and hasattr(pipe, "vae"):
                module._decoding(pipe.vae.to("meta"), size, batch=1)()
        assert one.flops == walk + after.get_total_flops()


def _sites(one: NodePlan, pipe: Any) -> int:
    latent = one.node.grid.space == "pixels" and hasattr(pipe, "vae")
    return one.node.grid.size[0] // (pipe.vae_scale_factor if latent else 1)


@pytest.mark.parametrize(("name", "batch"), [("IF", 2), ("SDXL", 3), ("x4", 2)])
def test_the_peak_is_what_the_allocator_gives_out(bare: Path, name: str, batch: int) -> None:
    """Networks, evaluations and what decodes, on real tensors."""
    for one in planned(CASCADES[name], bare, samples=batch, batch=batch):
        assert one.own_bytes == pytest.approx(allocated(_really(one, batch)), rel=0.08)


def _really(one: NodePlan, batch: int) -> Callable[[], None]:
    pipe, copies = of(one.node.stage.load), next(iter(one.passes))
    size = (_sites(one, pipe),) * 2
    configs = {name: pipe.components[name] for name in ("unet", "vae") if name in pipe.components}

    def work() -> None:
        made = {name: type(part).from_config(part.config).eval() for name, part in configs.items()}
        with torch.no_grad():
            evaluation(made["unet"], copies * batch, size)()
            if one.node.grid.space == "pixels" and "vae" in made:
                module._decoding(made["vae"], size, batch=batch)()

    return work


def test_half_precision_halves_the_bytes_and_has_its_own_peak(bare: Path) -> None:
    half = SD_X4.replace("load: sd,", "load: sd, dtype: bfloat16,")
    full, halved = planned(SD_X4, bare)[0], planned(half, bare)[0]
    assert 2 * halved.weights == full.weights
    assert full.profile
    assert halved.profile
    moved = [_moved(one) for one in (full, halved)]
    assert 2 * moved[1] == pytest.approx(moved[0], rel=0.05)
    clock = device_named("l4")
    assert clock.knows(halved.profile)
    assert not device_named("t4").knows(halved.profile)
    size = full.node.grid.size
    told = [clock.seconds(one.profile, one.work, 64, size).value for one in (full, halved) if one.profile]
    launched = LAUNCH_S * sum(full.work.values())
    assert 1.5 * (told[1] - launched) < told[0] - launched < 2.1 * (told[1] - launched)


def _moved(one: NodePlan) -> float:
    assert one.profile
    units = one.profile.scale.units(1, one.node.grid.size)
    return sum(n * evaluate(moved, units) for (*_, moved), n in one.work.items())


def test_what_is_not_there_is_not_known(bare: Path, tmp_path: Path) -> None:
    (one,) = [n for n in planned(SD_X4.replace("load: sd,", "load: nowhere,"), bare) if n.node.name == "base"]
    assert "not on this machine" in one.unknown
    root = tmp_path / "root"
    for name in ("sd", "x4"):
        saved(name, root)
    (root / "sd" / "text_encoder" / "config.json").unlink()
    found = planned(SD_X4, root)[0]
    assert found.parts["text_encoder"] is None
    assert found.parts["unet"]


def test_a_network_that_is_not_rehearsed_is_named_and_counted(bare: Path) -> None:
    first = planned(LTX, bare)[0]
    assert "LTXVideoTransformer3DModel, which cannot be rehearsed yet (parameters: transformer 35,464" in first.unknown


def test_a_second_question_builds_nothing(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = planned(SD_X4, bare)
    monkeypatch.setattr(module, "_kept", {})
    monkeypatch.setattr(module, "bare_part", lambda *given: pytest.fail("built again"))
    assert planned(SD_X4, bare) == first


def test_the_table_and_the_command_have_them(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = bare / "sd-x4.yaml"
    file.write_text(SD_X4)
    plan = answer(Question(str(file), device="t4", compared=True))
    assert plan["unknown"] == []
    assert plan["run"]["latency_s"]["value"] > 0
    assert {way["placement"] for way in plan["ways"]} == {"resident", "one-at-a-time"}
    assert run(["plan", str(file), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["nodes"][0]["parts"]["unet"] > 0
    assert run(["plan", str(file)]) == 0
    assert "base: unet 985,444, text_encoder 16,458, vae 218,791 parameters" in capsys.readouterr().out


@pytest.mark.parametrize(("strength", "count"), [("0.3", 7), ("1.0", 25), ("0.0", 1)])
def test_a_strength_cuts_steps_off_as_diffusers_does(bare: Path, strength: str, count: int) -> None:
    call = f"num_inference_steps: 25, guidance_scale: 1.0, strength: {strength}"
    text = sdxl({"BASE": "num_inference_steps: 2", "CALL": call, "LOW": "from: base, via: start"})
    assert sum(planned(text, bare)[-1].passes.values()) == count
