"""Pictures into pipelines for video: a user's own, or a stage's, as a hand-written script gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from tiny_pipelines import saved
from torch import Tensor

from dynaxx import Cascade
from dynaxx.engine.samples import Samples
from dynaxx.errors import MissingExtraError, SpecError
from dynaxx.spec.files import parse
from dynaxx.stage.pipeline.refused import refusals

PROMPTS = ["a red apple", "a green pear"]
CLOSE = 1e-4
FEW: dict[str, Any] = {"num_inference_steps": 2}
USERS = {"image": {"size": [32, 32]}}


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


def pictures() -> Tensor:
    """Two 8-bit ones, in [-1, 1]."""
    levels = torch.randint(0, 256, (2, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    return levels / 127.5 - 1


def drawn(zoo: Path, *stages: dict[str, Any], **more: Any) -> Samples:
    for stage in stages:
        saved(stage["load"], zoo)
    whole = [{"role": "base", "kind": "pipeline"} | stage for stage in stages]
    reads = "input.image" in str(whole)
    users = {"inputs": USERS} if reads else {}
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": whole, **users, **more})
    given = {"input.image": pictures()} if reads else {}
    return Cascade.from_spec(spec, root=zoo).sample(PROMPTS, seed=5, given=given, keep=True)


def opened(kind: Any, folder: Path) -> Any:
    pipe = kind.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def generators(samples: Samples, index: int = 0) -> list[torch.Generator]:
    seeds = [seed for call in samples.trace.nodes[index].calls for seed in call["seeds"]]
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def same(ours: Tensor, script: Tensor) -> None:
    assert ours.shape == script.shape
    assert (ours - script).abs().max() <= CLOSE
    assert script.std() > 0.01, "a video without contrast proves nothing"


def test_ltx_from_a_users_picture(zoo: Path) -> None:
    stage = {
        "name": "one", "load": "ltx", "pipeline": "LTXImageToVideoPipeline", "inputs": {"low": "input.image"},
        "call": FEW, "out": {"size": [5, 32, 32]},
    }  # fmt: skip
    samples = drawn(zoo, stage)
    pipe = opened(diffusers.LTXImageToVideoPipeline, zoo / "ltx")
    script = pipe(
        image=pictures() / 2 + 0.5, prompt=PROMPTS, generator=generators(samples), height=32, width=32, num_frames=5,
        output_type="pt", **FEW,
    ).frames  # fmt: skip
    same(samples.x, script.transpose(1, 2) * 2 - 1)


def test_ltx_is_shown_it_again_while_it_refines(zoo: Path) -> None:
    """The condition of a picture goes beside latents that are taken up."""
    base = {
        "name": "one", "load": "ltx", "pipeline": "LTXImageToVideoPipeline", "inputs": {"low": "input.image"},
        "call": FEW, "out": {"channels": 8, "size": [2, 8, 8], "space": "ltx"},
    }  # fmt: skip
    refine = {
        "name": "two", "load": "ltx-refine", "role": "refine", "call": {"num_inference_steps": 4},
        "inputs": {"low": {"from": "one", "via": "start"}, "image": "input.image"}, "out": {"size": [5, 32, 32]},
    }  # fmt: skip
    refine["call"] = {"num_inference_steps": 4, "denoise_strength": 0.5}
    samples = drawn(zoo, base, refine, codecs={"ltx": {"load": "ltx/vae", "channels": 8}})
    pipe, seeds = opened(diffusers.LTXConditionPipeline, zoo / "ltx-refine"), generators(samples, 1)
    for row, prompt in enumerate(PROMPTS):
        one = pipe(
            image=pictures()[row : row + 1] / 2 + 0.5, prompt=prompt, latents=samples.stages["one"][row : row + 1],
            generator=seeds[row], num_inference_steps=4, denoise_strength=0.5, height=32, width=32, num_frames=5,
            output_type="pt",
        ).frames  # fmt: skip
        same(samples.x[row : row + 1], one.transpose(1, 2) * 2 - 1)


def test_a_picture_of_a_stage_is_set_in_motion(zoo: Path) -> None:
    first = {"name": "picture", "load": "sd", "call": FEW, "out": {"size": [32, 32]}}
    then = {
        "name": "motion", "role": "bridge", "load": "ltx", "pipeline": "LTXImageToVideoPipeline", "from": "picture",
        "call": FEW, "out": {"size": [5, 32, 32]},
    }  # fmt: skip
    samples = drawn(zoo, first, then)
    pipe = opened(diffusers.LTXImageToVideoPipeline, zoo / "ltx")
    script = pipe(
        image=samples.stages["picture"] / 2 + 0.5, prompt=PROMPTS, generator=generators(samples, 1), height=32,
        width=32, num_frames=5, output_type="pt", **FEW,
    ).frames  # fmt: skip
    same(samples.x, script.transpose(1, 2) * 2 - 1)


WAN = {"load": "wan-picture", "call": {"num_inference_steps": 4}}


def wans(zoo: Path, name: str, samples: Samples, *, as_files: bool = False) -> Tensor:
    """What a script makes of the pictures, one at a time: in a batch the pipeline mixes them up."""
    pipe, found = opened(diffusers.WanImageToVideoPipeline, zoo / name), []
    for row, generator in enumerate(generators(samples)):
        x = pictures()[row : row + 1] / 2 + 0.5
        eight = pipe.video_processor.numpy_to_pil(pipe.video_processor.pt_to_numpy(x))[0]
        found.append(
            pipe(
                image=eight if as_files else x, prompt=PROMPTS[row], generator=generator, num_inference_steps=4,
                height=32, width=32, num_frames=9, output_type="pt",
            ).frames
        )  # fmt: skip
    return torch.cat(found).transpose(1, 2) * 2 - 1


def test_wans_two_experts_from_a_users_picture(zoo: Path) -> None:
    high = WAN | {
        "name": "high", "inputs": {"image": "input.image"},
        "out": {"channels": 16, "size": [3, 4, 4], "space": "wan"},
    }  # fmt: skip
    low = WAN | {
        "name": "low", "role": "refine", "out": {"size": [9, 32, 32]},
        "inputs": {"low": {"from": "high", "via": "start", "hand": "noisy", "hand_std": 9}, "image": "input.image"},
    }  # fmt: skip
    samples = drawn(zoo, high, low, codecs={"wan": {"load": "wan-picture/vae", "channels": 16}})
    same(samples.x, wans(zoo, "wan-picture", samples))


def test_wans_encoder_sees_the_picture_as_it_was(zoo: Path) -> None:
    stage = {"name": "one", "inputs": {"image": "input.image"}, "out": {"size": [9, 32, 32]}}
    samples = drawn(zoo, WAN | stage | {"load": "wan-seen"})
    same(samples.x, wans(zoo, "wan-seen", samples, as_files=True))


def test_guidance_within_an_interval_beside_a_picture(zoo: Path) -> None:
    stage = {
        "name": "one", "load": "ltx", "pipeline": "LTXImageToVideoPipeline", "inputs": {"low": "input.image"},
        "call": FEW, "out": {"size": [5, 32, 32]},
    }  # fmt: skip
    whole, part = drawn(zoo, stage), drawn(zoo, stage | {"guidance_interval": [1e5, 1e6]})
    never = drawn(zoo, stage | {"call": FEW | {"guidance_scale": 1.0}})
    assert (whole.x - part.x).abs().max() > 1e-3
    assert (part.x - never.x).abs().max() <= CLOSE
    assert part.trace.nodes[0].calls[0]["guided_steps"] == 0


def test_what_cannot_be_meant_is_named(zoo: Path) -> None:
    saved("wan", zoo)
    out = {"out": {"size": [9, 32, 32]}, "call": FEW}
    with pytest.raises(SpecError, match=r"picture: .*none.*a picture.*image: input.image"):
        drawn(zoo, WAN | {"name": "one"} | out)
    video = {"name": "one", "load": "wan", "pipeline": "WanVideoToVideoPipeline", "inputs": {"low": "input.image"}}
    with pytest.raises(SpecError, match=r"input: .*a picture.*a video.*image-to-video"):
        drawn(zoo, video | out)
    with pytest.raises(SpecError, match="takes no input as image"):
        drawn(zoo, {"name": "one", "load": "wan", "inputs": {"image": "input.image"}} | out)


def test_a_package_that_a_pipeline_lacks_is_named() -> None:
    says = r"needs the package 'fixes_text'. Install it: pip install fixes_text"
    with pytest.raises(MissingExtraError, match=says), refusals("one"):
        fixes_text  # type: ignore[name-defined]  # noqa: B018, F821
