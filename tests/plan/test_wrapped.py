"""Wrapped pipelines are planned from their configuration files alone, and the plan is what the real ones take."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from family_cascades import BY_LEVEL, BY_SHARE, IF, LTX, SD_X2, SD_X4, WAN, sdxl
from real_calls import flops, given_out, live_bytes, passes, really
from tiny_pipelines import BUILDERS, saved
from torch import nn

from dynaxx.cli import run
from dynaxx.plan import wrapped as module
from dynaxx.plan.growth import evaluate
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.predict import plan_run
from dynaxx.plan.table import Question, answer
from dynaxx.plan.time.devices import LAUNCH_S, device_named
from dynaxx.spec.files import loads
from dynaxx.spec.graph import nodes

CASCADES = {
    "IF": IF, "SDXL": sdxl(BY_SHARE), "SDXL by level": sdxl(BY_LEVEL), "x2": SD_X2, "x4": SD_X4, "LTX": LTX, "Wan": WAN,
}  # fmt: skip
WAN_WHOLE = """\
name: wan
condition: {text: {}}
stages:
  - {name: all, role: base, kind: pipeline, load: wan, call: {num_inference_steps: 4}, out: {size: [9, 32, 32]}}
"""


@pytest.fixture(scope="module")
def bare(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pipelines without a byte of weights."""
    weights = shutil.ignore_patterns("*.safetensors", "*.bin")
    return Path(shutil.copytree(whole, tmp_path_factory.mktemp("bare") / "all", ignore=weights))


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
    """Of the networks themselves, by their own forward: how often, and with how many copies of the batch."""
    seen = really(CASCADES[name], whole, passes, samples=1)
    assert {one.node.name: Counter(one.passes) for one in planned(CASCADES[name], whole)} == seen


@pytest.mark.parametrize("name", CASCADES)
def test_flops_are_those_of_torchs_counter(whole: Path, name: str) -> None:
    seen = really(CASCADES[name], whole, flops)
    for one in planned(CASCADES[name], whole):
        assert 2 * one.flops == pytest.approx(seen[one.node.name], rel=1e-6)


@pytest.mark.parametrize("name", CASCADES)
def test_live_tensors_are_those_of_a_real_run(whole: Path, name: str) -> None:
    """To 1%: what a scheduler remembers of the stage above, and joined answers, are not planned to the last byte."""
    seen = really(CASCADES[name], whole, live_bytes)
    for one in planned(CASCADES[name], whole, samples=2, batch=2, on_cpu=False):
        assert one.own_bytes == pytest.approx(seen[one.node.name], rel=0.01)


@pytest.mark.parametrize("name", ["IF", "SDXL", "LTX", "Wan"])
def test_the_peak_is_what_the_allocator_gives_out(whole: Path, name: str) -> None:
    """Not of a single small sample: one thread convolves it in another way, which is not followed."""
    seen = really(CASCADES[name], whole, given_out)
    for one in planned(CASCADES[name], whole, samples=2, batch=2)[: 2 if name == "LTX" else None]:
        assert one.own_bytes == pytest.approx(seen[one.node.name], rel=0.08)


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
    seen, plans = really(text, whole, passes, given=given), planned(text, whole)
    assert {one.node.name: Counter(one.passes) for one in plans} == seen
    assert set(plans[0].passes) == {1, 2}, "some of its steps are guided, and some are not"
    assert module.evaluations_of(plans[0].node, whole) == sum(n * times for n, times in plans[0].passes.items())


SCHEDULERS = (
    "PNDMScheduler", "HeunDiscreteScheduler", "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler",
    "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "UniPCMultistepScheduler", "LCMScheduler",
)  # fmt: skip
PLAIN = """\
name: plain
condition: {text: {}}
stages:
  - {name: one, role: base, kind: pipeline, load: sd, scheduler: {kind: KIND}, call: {num_inference_steps: 7},
     out: {size: [16, 16]}}
"""
AGAIN = PICTURE.replace("load: sd,", "load: sd, scheduler: {kind: KIND},")


@pytest.mark.filterwarnings("ignore:.*__array_wrap__.*:DeprecationWarning")
@pytest.mark.parametrize("kind", SCHEDULERS)
def test_evaluations_are_those_of_the_scheduler(whole: Path, kind: str) -> None:
    """The first steps of PNDM and the halves of Heun's and KDPM2's are evaluations too."""
    text = PLAIN.replace("KIND", kind)
    assert {one.node.name: Counter(one.passes) for one in planned(text, whole)} == really(
        text, whole, passes, samples=1
    )


@pytest.mark.filterwarnings("ignore:.*__array_wrap__.*:DeprecationWarning")
@pytest.mark.parametrize("kind", SCHEDULERS[:3])
def test_a_share_of_them_is_the_schedulers_own(whole: Path, kind: str) -> None:
    text, given = AGAIN.replace("KIND", kind), {"input.image": torch.zeros(1, 3, 16, 16)}
    seen = really(text, whole, passes, samples=1, given=given)
    assert {one.node.name: Counter(one.passes) for one in planned(text, whole)} == seen


def test_pndm_and_heun_take_more_than_a_step_says(bare: Path) -> None:
    counts = [sum(planned(PLAIN.replace("KIND", kind), bare)[0].passes.values()) for kind in SCHEDULERS[:2]]
    assert counts == [3 * 4 + 4, 2 * 7 - 1]


def test_wans_experts_share_a_whole_walk(whole: Path) -> None:
    """Both are held, and each is asked for its steps, with and without the prompt."""
    seen = really(WAN_WHOLE, whole, live_bytes)["all"]
    (one,) = planned(WAN_WHOLE, whole, samples=2, batch=2, on_cpu=False)
    assert one.passes == {1: 8}
    assert one.own_bytes == pytest.approx(seen, rel=0.01)
    halves = planned(CASCADES["Wan"], whole)
    assert one.weights == halves[0].weights + 4 * halves[0].parts["transformer_2"]


@pytest.mark.parametrize("name", ["Wan", "LTX", "x4"])
def test_half_precision_is_held_as_it_is_loaded(whole: Path, name: str) -> None:
    """Some of Wan's weights stay in float32 whatever the format."""
    half = CASCADES[name].replace("kind: pipeline,", "kind: pipeline, dtype: bfloat16,")
    half = half.replace("kind: pipeline\n", "kind: pipeline\n    dtype: bfloat16\n")
    seen = really(half, whole, live_bytes)
    for one in planned(half, whole, samples=2, batch=2, on_cpu=False):
        assert one.own_bytes == pytest.approx(seen[one.node.name], rel=0.01)


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


STRANGE = """\
name: strange
condition: {text: {}}
stages:
  - {name: one, role: base, kind: pipeline, load: NAME, call: {num_inference_steps: 3, CALL}, out: {size: [16, 16]}}
"""
STRANGERS = {"pixart": "use_resolution_binning: false", "flux": "max_sequence_length: 77"}


@pytest.mark.parametrize("name", STRANGERS)
def test_pipelines_of_no_known_family_are_called_with_their_own_encoders(tmp_path: Path, name: str) -> None:
    saved(name, tmp_path)
    text = STRANGE.replace("NAME", name).replace("CALL", STRANGERS[name])
    (one,) = planned(text, tmp_path, samples=2, batch=2, on_cpu=False)
    assert really(text, tmp_path, passes) == {"one": Counter(one.passes)}
    assert really(text, tmp_path, flops) == {"one": 2 * one.flops}
    assert one.own_bytes == really(text, tmp_path, live_bytes)["one"]


def test_a_pipeline_that_cannot_be_rehearsed_is_counted(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asks(self: Any, *given: Any, **more: Any) -> Any:
        raise RuntimeError("a value is wanted")

    monkeypatch.setattr("diffusers.LTXVideoTransformer3DModel.forward", asks)
    first = planned(LTX, bare)[0]
    assert "a value is wanted" in first.unknown
    assert "(parameters: transformer 35,464, text_encoder 13,568" in first.unknown
    assert module.evaluations_of(first.node, bare) == 4, "by its steps and its guidance"


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
    shown = capsys.readouterr().out
    assert "base: unet 985,444, text_encoder 16,458, vae 218,791 parameters; text_encoder let go of before" in shown
    assert said["nodes"][0]["let_go"] == ["text_encoder"]
    assert said["nodes"][0]["weights_bytes"] == 4 * (985_444 + 218_791)
    assert "for 1 sample," in " ".join(shown.split())


@pytest.mark.parametrize(("strength", "count"), [("0.3", 7), ("1.0", 25)])
def test_a_strength_cuts_steps_off_as_diffusers_does(bare: Path, strength: str, count: int) -> None:
    call = f"num_inference_steps: 25, guidance_scale: 1.0, strength: {strength}"
    text = sdxl({"BASE": "num_inference_steps: 2", "CALL": call, "LOW": "from: base, via: start"})
    assert sum(planned(text, bare)[-1].passes.values()) == count


def test_what_the_pipeline_would_refuse_is_said(bare: Path) -> None:
    text = sdxl({"BASE": "num_inference_steps: 2", "CALL": "strength: 0.0", "LOW": "from: base, via: start"})
    assert "the pipeline refuses" in planned(text, bare)[-1].unknown
