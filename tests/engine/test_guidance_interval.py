"""Guidance of wrapped pipelines within an interval: as a script that does it by hand, and at the price that is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from tiny_pipelines import saved
from torch import Tensor

from dynaxx import Cascade
from dynaxx.engine.samples import Samples
from dynaxx.errors import SpecError
from dynaxx.spec.files import parse
from dynaxx.stage.pipeline.guided import Guidance
from dynaxx.stage.pipeline.walk import levels_of

PROMPTS = ["a red apple", "a green pear"]
CLOSE = 1e-4


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


def cascade(zoo: Path, stage: dict[str, Any], **more: Any) -> Cascade:
    saved(stage["load"], zoo)
    whole = {"name": "one", "role": "base", "kind": "pipeline"} | stage
    return Cascade.from_spec(parse({"name": "x", "condition": {"text": {}}, "stages": [whole], **more}), root=zoo)


def drawn(live: Cascade, **more: Any) -> tuple[Samples, list[int]]:
    """Samples for two prompts, and the batch of every evaluation of the network."""
    live.sample(PROMPTS, seed=5, **more)
    pipe: Any = live.stages["one"].pipe  # type: ignore[attr-defined]
    batches: list[int] = []
    hooks = [
        part.register_forward_hook(lambda _, given, named, answer: batches.append(len(answer[0])), with_kwargs=True)
        for name in ("unet", "transformer", "transformer_2")
        if (part := getattr(pipe, name, None)) is not None
    ]
    samples = live.sample(PROMPTS, seed=5, **more)
    for hook in hooks:
        hook.remove()
    return samples, batches


def generators(samples: Samples) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in samples.trace.nodes[0].calls[0]["seeds"]]


def opened(zoo: Path, name: str) -> Any:
    pipe = diffusers.DiffusionPipeline.from_pretrained(saved(name, zoo))
    pipe.set_progress_bar_config(disable=True)
    return pipe


def stds(pipe: Any, steps: int, **more: Any) -> list[float]:
    pipe.scheduler.set_timesteps(steps, **more)
    return [float(level.std) for level in levels_of(pipe.scheduler)[:-1]]


def between(levels: list[float], first: int, last: int) -> list[float]:
    """An interval in which the steps `first` to `last` begin, and no other."""
    above = levels[first - 1] if first else 2 * levels[0]
    below = levels[last + 1] if last + 1 < len(levels) else 0.0
    return [(below + levels[last]) / 2, min((above + levels[first]) / 2, 1e6)]


def cut_off(step: int) -> Any:
    """Diffusers' own way to end guidance after a step: with the batch, the scale and the prompts' embeddings."""

    def end(pipe: Any, index: int, timestep: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
        if index == step:
            pipe._guidance_scale = 0.0
            given = {key: x if key == "latents" else x.chunk(2)[-1] for key, x in given.items()}
        return given

    return end


SD = {"load": "sd", "call": {"num_inference_steps": 6}, "out": {"size": [16, 16]}}
SDXL = {"load": "sdxl", "call": {"num_inference_steps": 6}, "out": {"size": [16, 16]}}
TOLD = {"sd": ["prompt_embeds"], "sdxl": ["prompt_embeds", "add_text_embeds", "add_time_ids"]}


@pytest.mark.parametrize("stage", [SD, SDXL], ids=["sd", "sdxl"])
def test_guidance_that_ends_is_diffusers_own_cut_off(zoo: Path, stage: dict[str, Any]) -> None:
    pipe = opened(zoo, stage["load"])
    interval = between(stds(pipe, 6), 0, 2)
    samples, batches = drawn(cascade(zoo, stage | {"guidance_interval": interval}))
    script = pipe(
        PROMPTS, generator=generators(samples), num_inference_steps=6, height=16, width=16, output_type="pt",
        callback_on_step_end=cut_off(2), callback_on_step_end_tensor_inputs=TOLD[stage["load"]],
    ).images  # fmt: skip
    assert (samples.x - (script * 2 - 1)).abs().max() <= CLOSE
    assert batches == [4, 4, 4, 2, 2, 2]
    assert samples.trace.nodes[0].calls[0]["guided_steps"] == 3
    plain, _ = drawn(cascade(zoo, stage))
    assert (samples.x - plain.x).abs().max() > 1e-3, "it matters"


def test_without_guidance_no_step_is_guided(zoo: Path) -> None:
    call = {"num_inference_steps": 3, "guidance_scale": 1.0}
    samples, batches = drawn(cascade(zoo, SD | {"call": call, "guidance_interval": [0.0, 1000.0]}))
    assert batches == [2, 2, 2]
    assert samples.trace.nodes[0].calls[0]["guided_steps"] == 0


@contextmanager
def by_hand(network: Any, guided: set[int], calls: int = 1) -> Iterator[None]:
    """What a script does that has the network in its hands: outside `guided` steps both answers are the one asked."""
    original, asked = network.forward, [0]

    def forward(*args: Any, **named: Any) -> Any:
        found = original(*args, **named)
        step = asked[0] // calls
        asked[0] += 1
        if step in guided:
            return found
        x = found[0] if isinstance(found, tuple) else found.sample
        given = x.chunk(2)[1]
        both = torch.cat([given, given])
        return (both,) if isinstance(found, tuple) else type(found)(sample=both)

    network.forward = forward
    yield
    network.forward = original


def test_a_family_without_callbacks_and_an_interval_that_begins_late(zoo: Path) -> None:
    pipe = opened(zoo, "if-1")
    interval = between(stds(pipe, 5), 2, 3)
    stage = {"load": "if-1", "call": {"num_inference_steps": 5}, "out": {"size": [8, 8]}, "guidance_interval": interval}
    samples, batches = drawn(cascade(zoo, stage))
    with by_hand(pipe.unet, {2, 3}):
        script = pipe(PROMPTS, generator=generators(samples), num_inference_steps=5, output_type="pt").images
    assert (samples.x - script).abs().max() <= CLOSE
    assert batches == [2, 2, 4, 4, 2]


def test_the_upscalers(zoo: Path) -> None:
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    pipe = opened(zoo, "x4")
    stage = {
        "load": "x4", "role": "refine", "inputs": {"low": "input.image"}, "call": {"num_inference_steps": 3},
        "out": {"scale": 4}, "guidance_interval": between(stds(pipe, 3), 1, 2),
    }  # fmt: skip
    users = {"inputs": {"image": {"size": [16, 16]}}}
    samples, batches = drawn(cascade(zoo, stage, **users), given={"input.image": x})
    with by_hand(pipe.unet, {1, 2}):
        script = pipe(
            PROMPTS, image=x / 2 + 0.5, generator=generators(samples), num_inference_steps=3, output_type="pt"
        ).images
    assert (samples.x - (script * 2 - 1)).abs().max() <= CLOSE
    assert batches == [2, 4, 4]

    latents = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    pipe = opened(zoo, "sd-x2")
    stage = {
        "load": "sd-x2", "role": "refine", "inputs": {"low": "input.image"}, "call": {"num_inference_steps": 4},
        "out": {"scale": 4}, "guidance_interval": between(stds(pipe, 4), 0, 1),
    }  # fmt: skip
    users = {
        "inputs": {"image": {"channels": 4, "size": [8, 8], "space": "sd"}},
        "codecs": {"sd": {"load": "sd/vae", "scale": 0.18215}},
    }
    saved("sd", zoo)
    samples, batches = drawn(cascade(zoo, stage, **users), given={"input.image": latents})
    with by_hand(pipe.unet, {0, 1}):
        script = pipe(
            PROMPTS, image=latents, generator=generators(samples), num_inference_steps=4, output_type="pt"
        ).images
    assert (samples.x - (script * 2 - 1)).abs().max() <= CLOSE
    assert batches == [4, 4, 2, 2]


def test_a_walk_that_begins_half_way_counts_its_own_levels(zoo: Path) -> None:
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    pipe = diffusers.StableDiffusionImg2ImgPipeline.from_pretrained(saved("sd", zoo))
    interval = between(stds(pipe, 10), 0, 6)
    stage = SD | {
        "pipeline": "StableDiffusionImg2ImgPipeline", "inputs": {"low": {"from": "input.image", "via": "start"}},
        "call": {"num_inference_steps": 10, "strength": 0.5}, "guidance_interval": interval,
    }  # fmt: skip
    samples, batches = drawn(cascade(zoo, stage, inputs={"image": {"size": [16, 16]}}), given={"input.image": x})
    assert batches == [4, 4, 2, 2, 2], "of ten steps the last five are walked, and the sixth and seventh are inside"
    assert samples.trace.nodes[0].calls[0]["guided_steps"] == 2
    script = pipe(
        PROMPTS, image=x / 2 + 0.5, strength=0.5, num_inference_steps=10, generator=generators(samples),
        output_type="pt", callback_on_step_end=cut_off(1), callback_on_step_end_tensor_inputs=["prompt_embeds"],
    ).images  # fmt: skip
    assert (samples.x - (script * 2 - 1)).abs().max() <= CLOSE


LTX = {
    "codecs": {"ltx": {"load": "ltx/vae", "channels": 8}},
    "stage": {"load": "ltx", "out": {"channels": 8, "size": [2, 8, 8], "space": "ltx"}},
}  # fmt: skip


def test_video_with_masks_beside_the_prompts(zoo: Path) -> None:
    """LTX's own callback cannot give the mask of the prompts back, so that it could not do this by itself."""
    live = cascade(zoo, LTX["stage"] | {"call": {"num_inference_steps": 4}}, codecs=LTX["codecs"])
    levels: list[float] = []
    live.sample(PROMPTS, seed=5, on_step=lambda _, step: levels.append(float(step.level.std)))
    interval = between(levels, 1, 2)
    samples, batches = drawn(live.with_settings({"one.guidance_interval": interval}))
    pipe = opened(zoo, "ltx")
    with by_hand(pipe.transformer, {1, 2}):
        x = pipe(
            PROMPTS, generator=generators(samples), num_inference_steps=4, height=32, width=32, num_frames=5,
            output_type="latent",
        ).frames  # fmt: skip
    assert (samples.x - pipe._unpack_latents(x, 2, 8, 8, 1, 1)).abs().max() <= CLOSE
    assert batches == [2, 4, 4, 2]


WAN = {"load": "wan", "call": {"num_inference_steps": 4}, "out": {"size": [9, 32, 32]}}


def wans_script(zoo: Path, samples: Samples, off: set[int]) -> Tensor:
    """Wan asks its experts one after the other, so that a callback may end guidance, and begin it, by the scale."""
    pipe = opened(zoo, "wan")

    def turn(pipe: Any, index: int, timestep: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
        pipe._guidance_scale = 1.0 if index + 1 in off else 5.0
        return given

    x = pipe(
        PROMPTS, generator=generators(samples), num_inference_steps=4, height=32, width=32, num_frames=9,
        output_type="pt", callback_on_step_end=turn,
    ).frames  # fmt: skip
    return x.transpose(1, 2) * 2 - 1  # type: ignore[no-any-return]


def test_experts_that_are_asked_one_after_the_other(zoo: Path) -> None:
    interval = between(stds(opened(zoo, "wan"), 4), 0, 1)
    samples, batches = drawn(cascade(zoo, WAN | {"guidance_interval": interval}))
    assert (samples.x - wans_script(zoo, samples, {2, 3})).abs().max() <= CLOSE
    assert batches == [2] * 6, "two each at the first two steps, one each at the others"


def test_an_expert_whose_own_scale_is_1_is_asked_once(zoo: Path) -> None:
    pipe = opened(zoo, "wan")
    pipe.scheduler.set_timesteps(4)
    lower = {i for i, t in enumerate(pipe.scheduler.timesteps) if t < 875}
    call = {"num_inference_steps": 4, "guidance_scale": 5.0, "guidance_scale_2": 1.0}
    samples, batches = drawn(cascade(zoo, WAN | {"call": call}))
    assert 0 < len(lower) < 4
    assert (samples.x - wans_script(zoo, samples, lower)).abs().max() <= CLOSE
    assert batches == [2] * (8 - len(lower))


@pytest.mark.parametrize("stage", [SD, WAN], ids=["sd", "wan"])
def test_at_scale_1_nothing_is_asked_twice(zoo: Path, stage: dict[str, Any]) -> None:
    samples, batches = drawn(cascade(zoo, stage | {"call": stage["call"] | {"guidance_scale": 1.0}}))
    assert batches == [2] * stage["call"]["num_inference_steps"]


def test_an_interval_that_holds_every_level_changes_nothing(zoo: Path) -> None:
    wide, batches = drawn(cascade(zoo, SD | {"guidance_interval": [0, 1e6]}))
    plain, same = drawn(cascade(zoo, SD))
    assert batches == same == [4] * 6
    assert torch.equal(wide.x, plain.x)


def test_the_ends_of_an_interval_are_those_of_our_own_stages() -> None:
    from dynaxx.noise.level import Level

    guidance = Guidance((0.5, 2.0))
    assert [guidance.on(Level(0.5, 1.0, std)) for std in (0.5, 0.51, 2.0, 2.01)] == [False, True, True, False]
    assert not guidance.on(Level(1.0, 0.0, 1.0)), "pure noise has no level"


def test_what_cannot_be_limited_is_named(zoo: Path) -> None:
    ltx = {"load": "ltx-up", "role": "refine", "inputs": {"low": "input.image"}, "guidance_interval": [0.1, 1]}
    ltx["out"] = {"channels": 8, "scale": {"hw": 2}, "space": "ltx"}
    users = {"inputs": {"image": {"channels": 8, "size": [2, 8, 8], "space": "ltx"}}, "codecs": LTX["codecs"]}
    saved("ltx", zoo)
    with pytest.raises(SpecError, match=r"guidance_interval.*Remove"):
        cascade(zoo, ltx, **users).sample("a pear", given={"input.image": torch.zeros(1, 8, 2, 8, 8)})
    with pytest.raises(SpecError, match=r"guidance_interval: changes what .* `cache` keeps"):
        cascade(zoo, LTX["stage"] | {"cache": {}, "guidance_interval": [0.1, 1]}, codecs=LTX["codecs"])
    with pytest.raises(SpecError, match=r"guidance_interval \[1, 0.5\] is empty"):
        cascade(zoo, SD | {"guidance_interval": [1, 0.5]})
