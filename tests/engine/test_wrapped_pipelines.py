"""Wrapped pipelines as stages: user's pictures and masks, adapters, shared encoders, our own stages beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from tiny_pipelines import saved

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.samples import Samples
from dynaxx.errors import DynaxxError, RunError, SpecError, StoppedError
from dynaxx.noise.solve.step import Step
from dynaxx.spec.families import FAMILIES
from dynaxx.spec.files import parse
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.pipeline import text as texts
from dynaxx.stage.pipeline.refused import refusals


@pytest.fixture(scope="session")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


def cascade(zoo: Path, *stages: dict[str, Any], runtime: Runtime | None = None, **more: Any) -> Cascade:
    stages = tuple({"kind": "pipeline", "role": "base"} | stage for stage in stages)
    for stage in stages:
        if stage["kind"] == "pipeline":
            saved(stage["load"], zoo)
    spec = parse({"name": "wrapped", "condition": {"text": {}}, "stages": list(stages), **more})
    return Cascade.from_spec(spec, root=zoo, runtime=runtime or Runtime())


def seeds(samples: Samples, index: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in samples.trace.nodes[index].calls[0]["seeds"]]


def pictures(channels: int = 3, size: int = 16) -> torch.Tensor:
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1


FEW: dict[str, Any] = {"call": {"num_inference_steps": 2}}
SD = {"name": "base", "load": "sd", "call": {"num_inference_steps": 2}, "out": {"size": [16, 16]}}


def test_image_to_image_from_a_level(zoo: Path) -> None:
    from diffusers import StableDiffusionImg2ImgPipeline

    edge = {"from": "input.image", "via": "start", "noise": {"std": 1.0}}
    stage = SD | {
        "pipeline": "StableDiffusionImg2ImgPipeline",
        "inputs": {"low": edge},
        "call": {"num_inference_steps": 10},
    }
    x, steps = pictures(), list[Step]()
    samples = cascade(zoo, stage, inputs={"image": {"size": [16, 16]}}).sample(
        ["a red apple"] * 2, given={"input.image": x}, on_step=lambda name, step: steps.append(step)
    )
    call = samples.trace.nodes[0].calls[0]
    pipe = StableDiffusionImg2ImgPipeline.from_pretrained(zoo / "sd")
    script = pipe(
        ["a red apple"] * 2, image=x / 2 + 0.5, strength=call["strength"], num_inference_steps=10,
        generator=seeds(samples, 0), output_type="pt",
    ).images  # fmt: skip
    assert (samples.x - (script * 2 - 1)).abs().max() <= 1e-4
    first = pipe.scheduler.timesteps[10 - int(10 * call["strength"])]
    kept = pipe.scheduler.alphas_cumprod
    stds = ((1 - kept) / kept).sqrt()
    assert abs(stds[first].log()) == stds[pipe.scheduler.timesteps].log().abs().min()
    told = [float(step.level.std) for step in steps]
    assert told == pytest.approx(stds[pipe.scheduler.timesteps[10 - int(10 * call["strength"]) :]].tolist(), rel=1e-4)


def test_inpainting_with_the_users_mask(zoo: Path) -> None:
    from diffusers import StableDiffusionInpaintPipeline

    x, mask = pictures(), torch.ones(2, 1, 16, 16)
    mask[..., :8] = -1
    stage = SD | {"load": "sd-inpaint", "inputs": {"low": "input.image", "mask_image": "input.mask"}}
    users = {"image": {"size": [16, 16]}, "mask": {"channels": 1, "size": [16, 16]}}
    samples = cascade(zoo, stage, inputs=users).sample(
        ["a red apple"] * 2, given={"input.image": x, "input.mask": mask}
    )
    pipe = StableDiffusionInpaintPipeline.from_pretrained(zoo / "sd-inpaint")
    script = pipe(
        ["a red apple"] * 2, image=x / 2 + 0.5, mask_image=mask / 2 + 0.5, num_inference_steps=2, height=16, width=16,
        generator=seeds(samples, 0), output_type="pt",
    ).images  # fmt: skip
    assert (samples.x - (script * 2 - 1)).abs().max() <= 1e-4


def test_adapters_schedulers_and_negative_prompts_pass_through(zoo: Path) -> None:
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
    from peft import LoraConfig
    from peft.utils import get_peft_model_state_dict

    pipe = StableDiffusionPipeline.from_pretrained(saved("sd", zoo))
    pipe.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_v"], init_lora_weights=False))
    StableDiffusionPipeline.save_lora_weights(zoo / "lora", unet_lora_layers=get_peft_model_state_dict(pipe.unet))
    call = {"num_inference_steps": 3, "negative_prompt": "blurry", "guidance_scale": 3.0}
    stage = SD | {"call": call, "scheduler": {"kind": "EulerDiscreteScheduler"}}
    adapters = [{"load": "lora", "weight": 0.5}]
    plain = cascade(zoo, stage).sample("a red apple", seed=3)
    samples = cascade(zoo, stage | {"adapters": adapters}).sample("a red apple", seed=3)
    assert (samples.x - plain.x).abs().max() > 1e-3

    pipe = StableDiffusionPipeline.from_pretrained(zoo / "sd")
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
    pipe.load_lora_weights(zoo / "lora", adapter_name="own")
    pipe.set_adapters(["own"], [0.5])
    script = pipe("a red apple", generator=seeds(samples, 0), height=16, width=16, output_type="pt", **call).images
    assert (samples.x - (script * 2 - 1)).abs().max() <= 1e-4


IF = (
    {"name": "one", "load": "if-1", "call": {"num_inference_steps": 2}, "out": {"size": [8, 8]}},
    {"name": "two", "role": "bridge", "load": "if-2", "from": "one", "call": {"num_inference_steps": 2},
     "out": {"scale": {"hw": 2}}},
)  # fmt: skip


def test_a_shared_encoder_is_asked_once_and_dropped(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dynaxx.stage.pipeline import held, wrapped

    asked: list[list[str]] = []

    def encode(pipe: Any, family: Any, call: Any, prompts: list[str], device: Any) -> Any:
        asked.append(prompts)
        return texts.encode_prompts(pipe, family, call, prompts, device)

    monkeypatch.setattr(held, "encode_prompts", encode)
    live = cascade(zoo, *IF)
    live.sample(["a red apple", "a green pear"], num=2)
    assert asked == [["a red apple", "a green pear"]]
    for stage in live.stages.values():
        assert isinstance(stage, wrapped.Wrapped)
        assert stage.pipe.text_encoder is None
    live.sample("a pear")
    assert asked[1:] == [["a pear"]]


def test_settings_of_a_call_reach_the_encoders(zoo: Path) -> None:
    live = cascade(zoo, SD | {"call": {"num_inference_steps": 2, "negative_prompt": "blurry"}})
    told = cascade(zoo, SD).with_settings({"base.call.negative_prompt": "blurry"})
    assert torch.equal(told.sample("a pear").x, live.sample("a pear").x)
    assert not torch.equal(told.sample("a pear").x, cascade(zoo, SD).sample("a pear").x)


def test_a_pipeline_that_is_nowhere_before_it_is_opened(zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dynaxx.stage.pipeline import held

    known = cascade(zoo, *IF).sample(["a red apple", "a pear"]).x
    monkeypatch.setattr(held, "folder_of", lambda load, root: None)
    assert (cascade(zoo, *IF).sample(["a red apple", "a pear"]).x - known).abs().max() <= 1e-5


def test_encoders_that_differ_are_not_shared(zoo: Path, tmp_path: Path) -> None:
    import shutil

    from tiny_pipelines import t5

    one, two = parse({"name": "x", "stages": list(pair(IF))}).stages
    assert isinstance(one, PipelineStage)
    assert isinstance(two, PipelineStage)
    keys = [
        texts.encoder_key(FAMILIES[name], getattr(diffusers, name), saved(stage.load, zoo), stage)
        for name, stage in (("IFPipeline", one), ("IFSuperResolutionPipeline", two))
    ]
    assert keys[0] == keys[1]
    other = shutil.copytree(zoo / "if-2", tmp_path / "if-2")
    t5(seed=99).save_pretrained(other / "text_encoder")
    upper = FAMILIES["IFSuperResolutionPipeline"], diffusers.IFSuperResolutionPipeline
    assert texts.encoder_key(*upper, other, two) != keys[1]
    asked = two.model_copy(update={"call": {"negative_prompt": "blurry"}})
    assert texts.encoder_key(*upper, zoo / "if-2", asked) != keys[1]


def pair(stages: tuple[dict[str, Any], ...]) -> list[dict[str, Any]]:
    return [{"kind": "pipeline", "role": "base"} | stage for stage in stages]


def test_our_own_stages_stand_between_theirs(zoo: Path) -> None:
    ours = {"name": "ours", "role": "bridge", "kind": "gaussian", "size": [32, 32], "from": "base", "out": {"scale": 1}}
    theirs = {"name": "last", "role": "refine", "load": "x4", "from": "ours", "out": {"scale": 4}} | FEW
    base = SD | {"out": {"size": [16, 16]}}
    samples = cascade(zoo, base, ours, theirs).sample("a red apple", keep=True)
    assert samples.x.shape == (1, 3, 64, 64)
    assert samples.stages["ours"].shape == (1, 3, 16, 16)
    again = cascade(zoo, base, ours, theirs).sample("a red apple", given={"ours": samples.stages["ours"]})
    assert (again.x - samples.x).abs().max() <= 1e-4


LATENT: dict[str, Any] = {"channels": 4, "size": [8, 8], "space": "sdxl"}
CODEC: dict[str, Any] = {"codecs": {"sdxl": {"load": "sdxl/vae", "scale": 0.13025, "factor": 2}}}
GAUSSIAN: dict[str, Any] = {"kind": "gaussian", "size": [8, 8], "std": 1.0, "solver": {"kind": "dpmpp-2m", "steps": 8}}
REFINER: dict[str, Any] = {"name": "refiner", "role": "refine", "load": "sdxl-refiner", "out": {"scale": 2}}


def refined(zoo: Path, samples: Samples, x: torch.Tensor, **call: Any) -> torch.Tensor:
    """What a script of one's own makes of latents."""
    from diffusers import DiffusionPipeline

    pipe = DiffusionPipeline.from_pretrained(zoo / "sdxl-refiner")
    pipe.set_progress_bar_config(disable=True)
    found = pipe(["a red apple"] * len(x), image=x, generator=seeds(samples, 1), output_type="pt", **call).images
    return found * 2 - 1  # type: ignore[no-any-return]


def test_latents_of_ours_go_into_a_refiner_of_theirs(zoo: Path) -> None:
    saved("sdxl", zoo)
    call = {"num_inference_steps": 5, "strength": 0.4}
    ours = GAUSSIAN | {"name": "ours", "out": LATENT}
    samples = cascade(zoo, ours, REFINER | {"from": "ours", "call": call}, **CODEC).sample(
        "a red apple", num=2, keep=True
    )
    script = refined(zoo, samples, samples.stages["ours"], **call)
    assert (samples.x - script).abs().max() <= 1e-4


def test_an_unfinished_state_of_ours_is_finished_by_theirs(zoo: Path) -> None:
    saved("sdxl", zoo)
    low = {"from": "ours", "via": "start", "hand": "noisy", "hand_std": 0.972}
    ours = GAUSSIAN | {"name": "ours", "out": LATENT}
    theirs = REFINER | {"inputs": {"low": low}, "call": {"num_inference_steps": 5}}
    samples = cascade(zoo, ours, theirs, **CODEC).sample("a red apple", num=16, seed=1, keep=True)
    state = samples.stages["ours"]
    assert state.std() == pytest.approx((1 + 0.972**2) ** 0.5, rel=0.1), "x + std eps, x of std 1"
    script = refined(zoo, samples, state, num_inference_steps=5, denoising_start=0.6)
    assert (samples.x - script).abs().max() <= 1e-4


def test_latents_of_theirs_go_into_a_stage_of_ours_and_back(zoo: Path) -> None:
    base = {"name": "base", "load": "sdxl", "out": LATENT} | FEW
    low = {"from": "base", "via": "start", "noise": {"std": 0.5, "train_std": [0, 1]}}
    ours = GAUSSIAN | {"name": "ours", "role": "refine", "inputs": {"low": low}, "out": LATENT}
    theirs = REFINER | {"from": "ours", "call": {"num_inference_steps": 5, "strength": 0.4}}
    whole = cascade(zoo, base, ours, theirs, **CODEC)
    samples = whole.sample("a red apple", num=2, keep=True)
    assert samples.trace.nodes[1].space == "sdxl"
    assert not samples.trace.nodes[1].paths, "they stay latents all the way"
    again = whole.sample("a red apple", num=2, given={"ours": samples.stages["ours"]})
    assert (again.x - samples.x).abs().max() <= 1e-4


def test_a_sample_is_the_same_in_any_batch_and_placement(zoo: Path) -> None:
    together = cascade(zoo, *IF).sample("a red apple", num=3, seed=2)
    runtime = Runtime(batch_size=2, placement="one-at-a-time")
    apart = cascade(zoo, *IF, runtime=runtime)
    samples = apart.sample("a red apple", num=3, seed=2)
    assert (together.x - samples.x).abs().max() <= 1e-4
    assert [getattr(stage, "pipe", 0) for stage in apart.stages.values()] == [None, None]


def test_steps_are_told_in_our_words(zoo: Path) -> None:
    steps: list[Step] = []
    stage = SD | {"call": {"num_inference_steps": 4}, "out": {"channels": 4, "size": [8, 8], "space": "sd"}}
    samples = cascade(zoo, stage, codecs={"sd": {"load": "sd/vae", "scale": 0.18215}}).sample(
        "a red apple", on_step=lambda name, step: steps.append(step)
    )
    assert [(step.index, step.count) for step in steps] == [(i, 4) for i in range(4)]
    stds = [float(step.level.std) for step in steps]
    assert stds == sorted(stds, reverse=True)
    assert torch.equal(steps[0].x_next, steps[1].x_t)
    assert torch.equal(steps[-1].x_next, samples.x)
    for step in steps:  # DDIM: x_t = alpha x_hat + sigma eps, and the next state has the same eps
        eps = (step.x_t - step.level.alpha * step.x_hat) / step.level.sigma
        kept = live_alpha(zoo, steps, step)
        assert (step.x_next - (kept[0] * step.x_hat + kept[1] * eps)).abs().max() < 1e-4


def live_alpha(zoo: Path, steps: list[Step], step: Step) -> tuple[float, float]:
    from diffusers import DDIMScheduler

    if step.index + 1 < len(steps):
        level = steps[step.index + 1].level
        return float(level.alpha), float(level.sigma)
    kept = float(DDIMScheduler.from_pretrained(zoo / "sd", subfolder="scheduler").final_alpha_cumprod)
    return kept**0.5, (1 - kept) ** 0.5


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ({"call": {"guidance": 3}}, SpecError, "call.guidance"),
        ({"pipeline": "StableDiffusionPipelin"}, SpecError, "Did you mean 'StableDiffusionPipeline'"),
        ({"scheduler": {"kind": "EulerScheduler"}}, SpecError, "no scheduler 'EulerScheduler'"),
        ({"adapters": [{"load": "nowhere"}]}, DynaxxError, "adapter"),
        ({"call": {"timesteps": [9, 5], "sigmas": [1.0, 0.5]}}, RunError, "Only one of"),
        ({"call": {"negative_prompt": 5}}, RunError, "the pipeline refuses"),
        ({"call": {"num_inference_steps": -3}}, SpecError, "call.num_inference_steps: is -3"),
        ({"call": {"num_inference_steps": 2.5}}, SpecError, "call.num_inference_steps: is 2.5"),
        ({"call": {"guidance_scale": "high"}}, SpecError, "call.guidance_scale: is 'high'"),
        ({"inputs": {"low": "input.image"}}, SpecError, "base needs none"),
        ({"inputs": {"low": {"from": "input.image", "noise": {"std": 0.5}}}}, SpecError, "level: .* has std 0.5"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_named(zoo: Path, change: dict[str, Any], kind: type[Exception], says: str) -> None:
    read = "inputs" in change
    users = {"inputs": {"image": {"size": [16, 16]}}} if read else {}
    with pytest.raises(kind, match=says):
        cascade(zoo, SD | change, **users).sample("a pear", given={"input.image": pictures()[:1]} if read else None)


def test_what_follows_the_steps_may_stop_the_run(zoo: Path) -> None:
    def stop(name: str, step: Step) -> None:
        raise StoppedError("run", "Ctrl-C.", 130)

    with pytest.raises(StoppedError, match="Ctrl-C"):
        cascade(zoo, SD).sample("a pear", on_step=stop)


def test_memory_that_runs_out_is_no_refusal() -> None:
    for error in (torch.OutOfMemoryError("x"), RuntimeError("DefaultCPUAllocator: can't allocate memory")):
        with pytest.raises(type(error)) as found, refusals("base"):
            raise error
        assert found.value is error


def test_a_missing_pipeline_is_named(tmp_path: Path) -> None:
    stage = {"name": "base", "role": "base", "kind": "pipeline", "load": "not/there", "out": {"size": [8, 8]}}
    spec = parse({"name": "x", "stages": [stage]})
    with pytest.raises(RunError, match="'not/there' is not on this machine.*or allow downloads: --download"):
        Cascade.from_spec(spec, root=tmp_path).sample()


def test_a_missing_pipeline_is_named_before_another_runs(zoo: Path) -> None:
    saved("sd", zoo)
    up = {"name": "up", "role": "refine", "kind": "pipeline", "load": "not/there", "from": "base", "out": {"scale": 4}}
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [{"role": "base", "kind": "pipeline"} | SD, up]})
    steps = list[str]()
    with pytest.raises(RunError, match="stage 'up': 'not/there' is not on this machine"):
        Cascade.from_spec(spec, root=zoo).sample("a pear", on_step=lambda name, step: steps.append(name))
    assert not steps


def test_a_setting_is_held_against_a_pipelines_files(zoo: Path) -> None:
    edge = {"from": "base", "noise": {"std": 0.172, "form": "preserving"}}
    up = {"name": "up", "role": "refine", "load": "x4", "inputs": {"low": edge}, "out": {"scale": 4}} | FEW
    made = cascade(zoo, SD, up)
    made.with_settings({"up.inputs.low.noise.std": 0.3})
    with pytest.raises(SpecError) as by_setting:
        made.with_settings({"up.inputs.low.noise.std": 0.9})
    with pytest.raises(SpecError) as by_file:
        cascade(zoo, SD, up | {"inputs": {"low": edge | {"noise": {"std": 0.9, "form": "preserving"}}}})
    assert str(by_setting.value) == str(by_file.value)


@pytest.mark.parametrize(
    ("key", "value"), [("call.prompt", "x"), ("call.image", "y"), ("call.prompt_embeds", [1]), ("call.noise_level", 3)]
)
def test_the_file_says_nothing_twice(key: str, value: Any) -> None:
    low = {"from": "base", "noise": {"std": 0.3}}
    stage = {"name": "up", "role": "bridge", "kind": "pipeline", "load": "x", "inputs": {"low": low}, "call": {}}
    stage["call"][key.partition(".")[2]] = value  # type: ignore[index]
    base = {"name": "base", "role": "base", "kind": "pipeline", "load": "y", "out": {"size": [8, 8]}}
    with pytest.raises(SpecError, match=key):
        parse({"name": "x", "stages": [base, stage]})
