"""A user's picture and mask go through whole cascades of pretrained pipelines, as in a hand-written script."""

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
from dynaxx.errors import SpecError
from dynaxx.spec.files import loads

PROMPTS = ["a red apple", "a green pear"]
CLOSE = 1e-4
IF_FILLS = """\
name: if-inpaint
condition: {text: {}}
inputs: {small: {size: [8, 8]}, hole: {channels: 1, size: [8, 8]}, image: {size: [16, 16]},
  mask: {channels: 1, size: [16, 16]}}
stages:
  - {name: one, role: base, kind: pipeline, load: if-1, pipeline: IFInpaintingPipeline, call: {num_inference_steps: 3},
     inputs: {low: input.small, mask_image: input.hole}, out: {scale: 1}}
  - {name: two, role: bridge, kind: pipeline, load: if-2, pipeline: IFInpaintingSuperResolutionPipeline,
     inputs: {low: one, original_image: input.image, mask_image: input.mask}, call: {num_inference_steps: 3},
     out: {scale: 2}}
  - {name: three, role: refine, kind: pipeline, load: x4, from: two, call: {num_inference_steps: 2}, out: {scale: 4}}
"""
IF_CHANGES = """\
name: if-img2img
condition: {text: {}}
inputs: {small: {size: [8, 8]}, image: {size: [16, 16]}}
stages:
  - {name: one, role: base, kind: pipeline, load: if-1, pipeline: IFImg2ImgPipeline, call: {num_inference_steps: 10},
     inputs: {low: {from: input.small, via: start, noise: {std: 1.0}}}, out: {scale: 1}}
  - {name: two, role: bridge, kind: pipeline, load: if-2, pipeline: IFImg2ImgSuperResolutionPipeline,
     inputs: {low: one, original_image: input.image}, call: {num_inference_steps: 3}, out: {scale: 2}}
  - {name: three, role: refine, kind: pipeline, load: x4, from: two, call: {num_inference_steps: 2}, out: {scale: 4}}
"""
SD_FILLS = """\
name: sd-inpaint-x4
condition: {text: {}}
inputs: {image: {size: [16, 16]}, mask: {channels: 1, size: [16, 16]}}
stages:
  - {name: fill, role: base, kind: pipeline, load: sd-inpaint, call: {num_inference_steps: 3},
     inputs: {low: input.image, mask_image: input.mask}, out: {scale: 1}}
  - {name: upscaler, role: refine, kind: pipeline, load: x4, call: {num_inference_steps: 2}, out: {scale: 4},
     inputs: {low: {from: fill, noise: {std: 0.1723, form: preserving, at: low}}}}
"""
SDXL_FILLS = """\
name: sdxl-inpaint
condition: {text: {}}
codecs: {sdxl: {load: sdxl/vae, scale: 0.13025}}
inputs: {image: {size: [16, 16]}, mask: {channels: 1, size: [16, 16]}}
stages:
  - {name: base, role: base, kind: pipeline, load: sdxl, pipeline: StableDiffusionXLInpaintPipeline,
     inputs: {low: input.image, mask_image: input.mask}, call: {num_inference_steps: 5, denoising_end: 0.6},
     out: {channels: 4, size: [8, 8], space: sdxl}}
  - {name: refiner, role: refine, kind: pipeline, load: sdxl-refiner, pipeline: StableDiffusionXLInpaintPipeline,
     inputs: {low: base, mask_image: input.mask}, call: {num_inference_steps: 5, denoising_start: 0.6}, out: {scale: 2}}
"""
SDXL_CHANGES = """\
name: sdxl-img2img
condition: {text: {}}
codecs: {sdxl: {load: sdxl/vae, scale: 0.13025}}
inputs: {image: {size: [16, 16]}}
stages:
  - {name: base, role: base, kind: pipeline, load: sdxl, pipeline: StableDiffusionXLImg2ImgPipeline,
     inputs: {low: {from: input.image, via: start, noise: {std: 2.0}}}, call: {num_inference_steps: 5},
     out: {channels: 4, size: [8, 8], space: sdxl}}
  - {name: refiner, role: refine, kind: pipeline, load: sdxl-refiner, from: base, out: {scale: 2},
     call: {num_inference_steps: 5, strength: 0.4}}
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


def image() -> Tensor:
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1


def mask() -> Tensor:
    """1 on the right half, which is filled, and -1 on the left."""
    return torch.cat([torch.full((2, 1, 16, 8), -1.0), torch.ones(2, 1, 16, 8)], dim=-1)


GIVEN = {"image": image(), "mask": mask(), "small": image()[..., ::2, ::2], "hole": mask()[..., ::2, ::2]}


def drawn(text: str, zoo: Path) -> Samples:
    assert len(text.strip().splitlines()) <= 15
    spec = loads(text, "cascade.yaml")
    for stage in spec.stages:
        saved(stage.load, zoo)  # type: ignore[union-attr]
    given = {f"input.{name}": GIVEN[name] for name in spec.inputs}
    return Cascade.from_spec(spec, root=zoo).sample(PROMPTS, given=given, seed=5, keep=True)


def scripted(zoo: Path, kind: str, folder: str, samples: Samples, index: int, **given: Any) -> Tensor:
    """What a script of one's own makes of a stage, with the printed seeds."""
    absent = {} if folder != "if-2" else {"watermarker": None, "safety_checker": None, "feature_extractor": None}
    pipe = getattr(diffusers, kind).from_pretrained(zoo / folder, **absent)
    pipe.set_progress_bar_config(disable=True)
    seeds = [torch.Generator().manual_seed(seed) for seed in samples.trace.nodes[index].seeds]
    form = given.pop("output_type", "pt")
    found = pipe(prompt=PROMPTS, generator=seeds, output_type=form, **given).images
    assert isinstance(found, Tensor)
    return found


def same(ours: Tensor, script: Tensor) -> None:
    assert ours.shape == script.shape
    assert (ours - script).abs().max() <= CLOSE
    assert script.std() > 0.01, "a picture without contrast proves nothing"


def unit(x: Tensor) -> Tensor:
    return x / 2 + 0.5


def upscaled(zoo: Path, samples: Samples, index: int, x: Tensor, **given: Any) -> Tensor:
    pipe = "StableDiffusionUpscalePipeline"
    return scripted(zoo, pipe, "x4", samples, index, image=unit(x), num_inference_steps=2, **given) * 2 - 1


def test_a_mask_goes_through_deepfloyd_if(zoo: Path) -> None:
    samples = drawn(IF_FILLS, zoo)
    small, hole = GIVEN["small"], unit(GIVEN["hole"])
    x = scripted(zoo, "IFInpaintingPipeline", "if-1", samples, 0, image=small, mask_image=hole, num_inference_steps=3)
    same(samples.stages["one"], x)
    x = scripted(
        zoo, "IFInpaintingSuperResolutionPipeline", "if-2", samples, 1, image=x, original_image=image(),
        mask_image=unit(mask()), num_inference_steps=3,
    )  # fmt: skip
    same(samples.stages["two"], x)
    same(samples.x, upscaled(zoo, samples, 2, x))
    assert (samples.stages["two"] - image())[..., :8].abs().max() < 0.1, "outside the mask the picture is the user's"
    assert (samples.stages["two"] - image())[..., 8:].abs().max() > 0.5


def test_a_picture_goes_through_deepfloyd_if(zoo: Path) -> None:
    samples = drawn(IF_CHANGES, zoo)
    strength = samples.trace.nodes[0].calls[0]["strength"]
    given = {"image": GIVEN["small"], "strength": strength, "num_inference_steps": 10}
    x = scripted(zoo, "IFImg2ImgPipeline", "if-1", samples, 0, **given)
    same(samples.stages["one"], x)
    given = {"image": x, "original_image": image(), "num_inference_steps": 3}
    x = scripted(zoo, "IFImg2ImgSuperResolutionPipeline", "if-2", samples, 1, **given)
    same(samples.stages["two"], x)
    same(samples.x, upscaled(zoo, samples, 2, x))


def test_what_is_filled_in_goes_on_to_the_x4_upscaler(zoo: Path) -> None:
    samples = drawn(SD_FILLS, zoo)
    given = {"image": unit(image()), "mask_image": unit(mask()), "height": 16, "width": 16, "num_inference_steps": 3}
    x = scripted(zoo, "StableDiffusionInpaintPipeline", "sd-inpaint", samples, 0, **given) * 2 - 1
    same(samples.stages["fill"], x)
    same(samples.x, upscaled(zoo, samples, 1, x, noise_level=100))


def test_a_mask_goes_through_sdxl_and_its_refiner(zoo: Path) -> None:
    samples, fills = drawn(SDXL_FILLS, zoo), "StableDiffusionXLInpaintPipeline"
    given: dict[str, Any] = {"mask_image": unit(mask()), "height": 16, "width": 16, "num_inference_steps": 5}
    form = {"denoising_end": 0.6, "output_type": "latent"}
    x = scripted(zoo, fills, "sdxl", samples, 0, image=unit(image()), **given, **form)
    same(samples.stages["base"], x)
    x = scripted(zoo, fills, "sdxl-refiner", samples, 1, image=x, denoising_start=0.6, **given)
    same(samples.x, x * 2 - 1)


def test_a_picture_goes_through_sdxl_and_its_refiner(zoo: Path) -> None:
    samples, changes = drawn(SDXL_CHANGES, zoo), "StableDiffusionXLImg2ImgPipeline"
    strength = samples.trace.nodes[0].calls[0]["strength"]
    form = {"num_inference_steps": 5, "output_type": "latent"}
    x = scripted(zoo, changes, "sdxl", samples, 0, image=unit(image()), strength=strength, **form)
    same(samples.stages["base"], x)
    x = scripted(zoo, changes, "sdxl-refiner", samples, 1, image=x, strength=0.4, num_inference_steps=5)
    same(samples.x, x * 2 - 1)


def test_a_mask_that_a_pipeline_has_no_place_for_is_refused(zoo: Path) -> None:
    text = SD_FILLS.replace("inputs: {low: {from: fill,", "inputs: {mask_image: input.mask, low: {from: fill,")
    with pytest.raises(
        SpecError, match=r"'upscaler', inputs.mask_image: StableDiffusionUpscalePipeline takes no input"
    ):
        drawn(text, zoo)
