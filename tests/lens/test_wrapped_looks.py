"""The lens on pretrained pipelines, from prompts alone: every family is looked into, and planted faults are named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import exact_pipelines
import pytest
import tiny_pipelines
import torch
from diffusers import LTXVideoTransformer3DModel
from family_cascades import FAMILIES, LTX_BASE, deepfloyd
from safetensors.torch import load_file, save_file

from dynaxx import Cascade
from dynaxx.cli import run
from dynaxx.lens.findings import Report
from dynaxx.lens.level_borne import noise_beside
from dynaxx.lens.open import Options, look

PROMPTS = ["a red apple", "a green pear"]
SDXL = """\
name: sdxl
condition: {text: {}}
codecs: {sdxl: {load: sdxl/vae, scale: 0.13025, factor: 2}}
stages:
  - {name: base, role: base, kind: pipeline, load: sdxl, call: {num_inference_steps: 4},
     out: {channels: 4, size: [8, 8], space: sdxl}}
  - {name: refiner, role: refine, kind: pipeline, load: sdxl-refiner, from: base,
     call: {num_inference_steps: 10, strength: 0.3}, out: {scale: 2}}
"""
X4 = """\
name: sd-x4
condition: {text: {}}
stages:
  - {name: base, role: base, kind: pipeline, load: sd, call: {num_inference_steps: 4}, out: {size: [8, 8]}}
  - name: upscaler
    role: refine
    kind: pipeline
    load: x4
    inputs: {low: {from: base, noise: {std: 0.1723, form: preserving, at: low}}}
    call: {num_inference_steps: 2}
    out: {scale: 4}
"""
IF = deepfloyd(size=16, steps=6, std=0.05)
SD_X2 = """\
name: sd-x2
condition: {text: {}}
codecs: {sd: {load: sd/vae, scale: 0.18215, factor: 2}}
stages:
  - {name: base, role: base, kind: pipeline, load: sd, call: {num_inference_steps: 4},
     out: {channels: 4, size: [8, 8], space: sd}}
  - {name: upscaler, role: refine, kind: pipeline, load: sd-x2, from: base,
     call: {num_inference_steps: 10, guidance_scale: 0}, out: {scale: 4}}
"""
LTX = (
    LTX_BASE
    + """\
  - name: refine
    role: refine
    kind: pipeline
    load: ltx-refine
    inputs: {low: {from: base, via: start, noise: {std: 0.224}}}
    call: {num_inference_steps: 20}
    out: {channels: 8, scale: 1, space: ltx}
"""
)
WAN = """\
name: wan
condition: {text: {}}
codecs: {wan: {load: wan/vae, channels: 16}}
stages:
  - {name: high, role: base, kind: pipeline, load: wan, call: {num_inference_steps: 20},
     out: {channels: 16, size: [3, 8, 8], space: wan}}
  - {name: low, role: refine, kind: pipeline, load: wan, call: {num_inference_steps: 20},
     inputs: {low: {from: high, via: start, hand: noisy, hand_std: 0.25}}, out: {channels: 16, scale: 1, space: wan}}
"""
LATENTS = """\
name: latents
condition: {{text: {{}}}}
codecs: {{ltx: {{load: ltx/vae, channels: 8}}}}
stages:
  - {{name: ours, role: base, kind: gaussian, size: [2, 8, 8], std: 1.0, solver: {{steps: 4}},
     out: {{channels: 8, size: [2, 8, 8], space: ltx}}}}
  - {{name: refine, role: refine, kind: pipeline, load: ltx-refine, call: {{num_inference_steps: {steps}}},
     inputs: {{low: {{from: ours, via: start, noise: {{std: {std}}}}}}}, out: {{size: [5, 32, 32]}}}}
"""
CASCADES = {
    "sdxl": (SDXL, ("sdxl", "sdxl-refiner")),
    "x4": (X4, ("sd", "x4")),
    "if": (IF, ("if-1", "if-2")),
    "sd-x2": (SD_X2, ("sd", "sd-x2")),
    "ltx": (LTX, ("ltx", "ltx-refine")),
    "wan": (WAN, ("wan",)),
}
Plant = Callable[[Path], None]
WEIGHTS = "diffusion_pytorch_model.safetensors"


def looked(zoo: Path, name: str, plant: Plant | None = None) -> Report:
    text, folders = CASCADES[name]
    for folder in folders:
        exact_pipelines.saved(folder, zoo)
    if plant is not None:
        plant(zoo)
    file = zoo / "cascade.yaml"
    file.write_text(text)
    view = look(Cascade.from_pretrained(file), prompts=PROMPTS, options=Options(num=8))
    next(done for done in view.steps() if done.name == "hand_over")  # the others have nothing to say of these faults
    return view.lensed().report


def unsaid(file: str, key: str) -> Plant:
    """A configuration that does not say something, so that a default steps in: no check of files can tell."""

    def plant(zoo: Path) -> None:
        path = zoo / file
        said = json.loads(path.read_text())
        said.pop(key)
        path.write_text(json.dumps(said))

    return plant


def reordered(folder: str, name: str, *, last: int | None = None) -> Plant:
    """Weights made for BGR: of a convolution's answers, or of the `last` channels that it reads."""

    def plant(zoo: Path) -> None:
        path = zoo / folder / WEIGHTS
        weights = load_file(path)
        if last is None:
            weights[name] = weights[name].flip(0)
        else:
            weights[name] = torch.cat([weights[name][:, :-last], weights[name][:, -last:].flip(1)], dim=1)
        save_file({key: x.contiguous() for key, x in weights.items()}, path)

    return plant


def other_codec(folder: str, scale: float) -> Plant:
    """The codec of another release, made for latents at another scale, whose configuration does not say so."""

    def plant(zoo: Path) -> None:
        exact_pipelines.vae(scale).save_pretrained(zoo / folder)
        unsaid(f"{folder}/config.json", "scaling_factor")(zoo)

    return plant


def other_latents(mix: torch.Tensor) -> Plant:
    """A transformer made for the latents of another release: what it takes for clean is `mix` of the noisy ones."""

    def plant(zoo: Path) -> None:
        network = LTXVideoTransformer3DModel.from_pretrained(zoo / "ltx-refine" / "transformer")
        exact_pipelines.finishes(network, mix).save_pretrained(zoo / "ltx-refine" / "transformer")

    return plant


def other_expert(mix: torch.Tensor) -> Plant:
    """The lower expert of another release than the upper one: what it takes for clean is `mix` of its latents."""

    def plant(zoo: Path) -> None:
        exact_pipelines.wan_finishes(mix).save_pretrained(zoo / "wan" / "transformer_2")

    return plant


PLANTED: list[tuple[str, Plant, str, str]] = [
    ("sdxl", unsaid("sdxl-refiner/vae/config.json", "scaling_factor"), "refiner", "latent-scale"),
    ("sdxl", reordered("sdxl-refiner/vae", "decoder.conv_out.weight"), "refiner", "channel-order"),
    ("sd-x2", other_codec("sd-x2/vae", 0.13025), "upscaler", "latent-scale"),
    ("sd-x2", reordered("sd-x2/vae", "decoder.conv_out.weight"), "upscaler", "channel-order"),
    ("ltx", other_latents(0.5 * torch.eye(8)), "refine", "latent-scale"),
    ("ltx", other_latents(torch.eye(8).roll(1, 0)), "refine", "channel-order"),
    ("wan", other_expert(0.5 * torch.eye(16)), "low", "latent-scale"),
    ("wan", other_expert(torch.eye(16).roll(1, 0)), "low", "channel-order"),
    ("x4", unsaid("x4/low_res_scheduler/scheduler_config.json", "beta_schedule"), "upscaler", "level-unit"),
    ("x4", reordered("x4/unet", "conv_in.weight", last=3), "upscaler", "channel-order"),
    ("if", unsaid("if-2/image_noising_scheduler/scheduler_config.json", "beta_schedule"), "two", "level-unit"),
    ("if", reordered("if-2/unet", "conv_in.weight", last=3), "two", "channel-order"),
]


@pytest.mark.parametrize(("name", "plant", "stage", "kind"), PLANTED, ids=[f"{row[0]}-{row[3]}" for row in PLANTED])
def test_planted_faults_are_named_from_prompts_alone(
    tmp_path: Path, name: str, plant: Plant, stage: str, kind: str
) -> None:
    verdict = looked(tmp_path, name, plant).verdict
    assert (verdict.level, verdict.stage, verdict.kind) == ("fault", stage, kind)


@pytest.mark.parametrize("name", CASCADES)
def test_the_same_pipelines_without_a_fault_are_left_in_peace(tmp_path: Path, name: str) -> None:
    report = looked(tmp_path, name)
    assert report.verdict.level in ("healthy", "watch")
    measured = [f for f in report.findings if f.probe in ("hand_over", "level_borne")]
    assert {f.level for f in measured} <= {"healthy", "unknown"}
    assert sum(f.level == "healthy" for f in measured) >= 2


def test_the_finding_says_how_much_and_what_to_do(tmp_path: Path) -> None:
    report = looked(tmp_path, "sdxl", PLANTED[0][1])
    found: Any = next(f for f in report.findings if f.kind == "latent-scale")
    assert found.value == pytest.approx(0.13025 / 0.18215, abs=0.03)  # the default steps in for the SDXL factor
    assert "scaling_factor" in found.advice


MORE = {"sdxl": ("--memory-cap", "1MiB"), "sd-x2": ("--memory-cap", "2MiB")}
"""Below what their stages take together."""
LONG = ("if", "sd-x4")
"""Their stages are asked by every probe."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n in LONG else ()) for n in FAMILIES])
def test_every_family_is_looked_into_from_prompts_alone(
    name: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo = tmp_path_factory.getbasetemp() / "looked"
    text, folders = FAMILIES[name]
    for folder in folders:
        tiny_pipelines.saved(folder, zoo)
    monkeypatch.chdir(zoo)
    Path("cascade.yaml").write_text(text)
    Path("prompts.txt").write_text("\n".join(PROMPTS))
    out = Path(f"report-{name}")
    assert (
        run(["lens", "cascade.yaml", "--prompts", "prompts.txt", "--num", "8", "--out", str(out), *MORE.get(name, ())])
        == 0
    )
    report = json.loads((out / "findings.json").read_text())
    assert (out / "index.html").is_file()
    later = {stage["name"] for stage in report["stages"][1:]}
    asked = {f["stage"] for f in report["findings"] if f["probe"] == "hand_over"}
    assert asked == later
    assert all("Not measured: " in f["says"] for f in report["findings"] if f["level"] == "unknown")
    assert not [f for f in report["findings"] if f["probe"] in ("hand_over", "level_borne") and f["level"] == "fault"]
    done = {probe["name"]: probe["left_out"] for probe in report["method"]["probes"]}
    assert done["detail"] == "it needs reference data"


@pytest.mark.parametrize("std", [0.05, 0.4, 2.0])
def test_noise_beside_a_known_signal_is_measured(std: float) -> None:
    generator = torch.Generator().manual_seed(0)
    u, eps = (torch.randn(16, 3, 16, 16, generator=generator) for _ in range(2))
    found = noise_beside(0.7 * (u + std * eps), u)
    assert found is not None
    assert found.low <= found.value <= found.high
    assert found.value == pytest.approx(std, rel=0.03)
    assert noise_beside(eps, u) is None


@pytest.mark.parametrize(("steps", "std", "level"), [(10, 0.5, "healthy"), (4, 1.0, "watch")])
def test_the_level_at_which_a_walk_begins_is_measured(tmp_path: Path, steps: int, std: float, level: str) -> None:
    for name in ("ltx", "ltx-refine"):
        tiny_pipelines.saved(name, tmp_path)
    (tmp_path / "cascade.yaml").write_text(LATENTS.format(steps=steps, std=std))
    view = look(Cascade.from_pretrained(tmp_path / "cascade.yaml"), prompts=PROMPTS, options=Options(num=8))
    listened = next(done for done in view.steps() if done.name == "level_borne")
    assert not listened.cached  # a stage that is listened to is run
    found: Any = next(f for f in view.lensed().report.findings if f.probe == "level_borne")
    assert found.level == level
    if level == "healthy":
        assert found.value == pytest.approx(std, rel=0.1)
    else:  # of four steps, none begins near
        assert found.value > 2
        assert "more steps" in found.advice
