"""Cascades of pretrained pipelines give what a hand-written diffusers script gives, from at most 15 lines of YAML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from family_cascades import BY_LEVEL, BY_SHARE, IF, LTX, SD_X2, SD_X4, WAN, sdxl
from tiny_pipelines import saved
from torch import Tensor

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.samples import Samples

PROMPTS = ["a red apple", "a green pear"]
CLOSE = 1e-4
LINES = 15
"""The most that a cascade of published pipelines may take to say."""


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


def drawn(text: str, zoo: Path, folders: Sequence[str], batch: int = 64) -> Samples:
    assert len(text.strip().splitlines()) <= LINES
    for name in folders:
        saved(name, zoo)
    file = zoo / "cascade.yaml"
    file.write_text(text)
    return Cascade.from_pretrained(file, runtime=Runtime(batch_size=batch)).sample(PROMPTS, seed=5, keep=True)


def opened(zoo: Path, name: str) -> Any:
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(saved(name, zoo))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def generators(samples: Samples, index: int) -> list[torch.Generator]:
    """What a reader of the trace makes of the printed seeds."""
    seeds = [seed for call in samples.trace.nodes[index].calls for seed in call["seeds"]]
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def same(ours: Tensor, script: Tensor) -> None:
    assert ours.shape == script.shape
    assert (ours - script).abs().max() <= CLOSE
    assert script.std() > 0.01, "a picture without contrast proves nothing"


def test_deepfloyd_if_with_the_x4_upscaler(zoo: Path) -> None:
    samples = drawn(IF, zoo, ["if-1", "if-2", "x4"])
    one, two, three = (opened(zoo, name) for name in ("if-1", "if-2", "x4"))
    x = one(PROMPTS, generator=generators(samples, 0), num_inference_steps=3, output_type="pt").images
    same(samples.stages["one"], x)
    x = two(
        PROMPTS, image=x, generator=generators(samples, 1), num_inference_steps=2, guidance_scale=4.0,
        negative_prompt=["blurry"] * 2, noise_level=250, output_type="pt",
    ).images  # fmt: skip
    same(samples.stages["two"], x)
    x = three(PROMPTS, image=x / 2 + 0.5, generator=generators(samples, 2), num_inference_steps=2, output_type="pt")
    same(samples.x, x.images * 2 - 1)
    assert samples.trace.nodes[1].calls[0]["noise_level"] == 250
    assert samples.trace.nodes[1].calls[0]["put_on_std"] == pytest.approx(0.427, abs=1e-3)
    assert samples.trace.nodes[2].calls[0]["put_on_std"] == pytest.approx(0.0520, abs=1e-4)  # the x4 upscaler's own 20


@pytest.mark.parametrize("said", [BY_SHARE, BY_LEVEL], ids=["by-share", "by-level"])
def test_sdxl_base_and_refiner(zoo: Path, said: dict[str, str]) -> None:
    samples = drawn(sdxl(said), zoo, ["sdxl", "sdxl-refiner"])
    base, refiner = opened(zoo, "sdxl"), opened(zoo, "sdxl-refiner")
    x = base(
        PROMPTS, generator=generators(samples, 0), num_inference_steps=5, denoising_end=0.6, output_type="latent",
        height=16, width=16,
    ).images  # fmt: skip
    same(samples.stages["base"], x)
    x = refiner(
        PROMPTS, image=x, generator=generators(samples, 1), num_inference_steps=5, denoising_start=0.6, output_type="pt"
    ).images
    same(samples.x, x * 2 - 1)


def test_stable_diffusion_with_the_latent_upscaler(zoo: Path) -> None:
    samples = drawn(SD_X2, zoo, ["sd", "sd-x2"])
    base, upscaler = opened(zoo, "sd"), opened(zoo, "sd-x2")
    x = base(
        PROMPTS, generator=generators(samples, 0), num_inference_steps=2, output_type="latent", height=16, width=16
    ).images
    same(samples.stages["base"], x)
    x = upscaler(
        PROMPTS, image=x, generator=generators(samples, 1), num_inference_steps=3, guidance_scale=0, output_type="pt"
    ).images
    same(samples.x, x * 2 - 1)


def test_stable_diffusion_with_the_x4_upscaler(zoo: Path) -> None:
    samples = drawn(SD_X4, zoo, ["sd", "x4"])
    base, upscaler = opened(zoo, "sd"), opened(zoo, "x4")
    x = base(
        PROMPTS, generator=generators(samples, 0), num_inference_steps=2, output_type="pt", height=16, width=16
    ).images
    x = upscaler(
        PROMPTS, image=x, generator=generators(samples, 1), num_inference_steps=2, guidance_scale=3.0,
        noise_level=100, output_type="pt",
    ).images  # fmt: skip
    same(samples.x, x * 2 - 1)
    assert samples.trace.nodes[1].calls[0]["put_on_std"] == pytest.approx(0.1723, abs=1e-3)


def test_ltx_base_upsampler_and_short_refine(zoo: Path) -> None:
    samples = drawn(LTX, zoo, ["ltx", "ltx-up", "ltx-refine"])
    base, up, refine = (opened(zoo, name) for name in ("ltx", "ltx-up", "ltx-refine"))
    x = base(
        PROMPTS, generator=generators(samples, 0), num_inference_steps=2, height=32, width=32, num_frames=5,
        output_type="latent",
    ).frames  # fmt: skip
    x = base._unpack_latents(x, 2, 8, 8, 1, 1)
    same(samples.stages["base"], x)
    x = up(latents=x, height=64, width=64, generator=generators(samples, 1), output_type="latent").frames
    same(samples.stages["up"], x)
    for row, prompt in enumerate(PROMPTS):  # the pipeline fails on two samples that begin at latents
        seed = samples.trace.nodes[2].calls[row]["seeds"][0]
        one = refine(
            prompt=prompt, latents=x[row : row + 1], generator=torch.Generator().manual_seed(seed), height=64, width=64,
            num_inference_steps=4, denoise_strength=0.5, num_frames=5, output_type="pt",
        ).frames  # fmt: skip
        same(samples.x[row : row + 1], one.transpose(1, 2) * 2 - 1)


@pytest.mark.parametrize("batch", [2, 1])
def test_wans_two_experts(zoo: Path, batch: int) -> None:
    samples = drawn(WAN, zoo, ["wan"], batch)
    assert samples.trace.nodes[0].calls[0]["seeds"][0] != samples.trace.nodes[1].calls[0]["seeds"][0]
    pipe = opened(zoo, "wan")
    x = pipe(
        PROMPTS, generator=generators(samples, 0), num_inference_steps=4, height=32, width=32, num_frames=9,
        output_type="pt",
    ).frames  # fmt: skip
    same(samples.x, x.transpose(1, 2) * 2 - 1)


def wans(zoo: Path, batch: int = 1) -> Cascade:
    drawn(WAN, zoo, ["wan"])
    return Cascade.from_pretrained(zoo / "cascade.yaml", runtime=Runtime(batch_size=batch))


def test_what_a_scheduler_remembers_is_for_the_state_it_left(zoo: Path) -> None:
    cascade = wans(zoo)
    state = cascade.sample(PROMPTS, seed=9, keep=True).stages["high"] + 0.5
    again = cascade.sample(PROMPTS, seed=3, given={"high": state}).x
    assert torch.equal(again, wans(zoo).sample(PROMPTS, seed=3, given={"high": state}).x)


def test_a_run_that_ends_early_leaves_the_next_one_as_it_was(zoo: Path) -> None:
    cascade, straight = wans(zoo), wans(zoo).sample(PROMPTS, seed=5).x
    cascade.sample(PROMPTS, seed=5, until="high")
    torch.testing.assert_close(cascade.sample(PROMPTS, seed=5).x, straight, atol=CLOSE, rtol=0)
