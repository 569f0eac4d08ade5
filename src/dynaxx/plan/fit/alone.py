"""Rules on one pipeline: whether its parts fit each other, and the cascade file what it answers with."""

from __future__ import annotations

from dynaxx.plan.fit.agreement import Place, Rule
from dynaxx.plan.fit.signature import call_arguments
from dynaxx.spec.grid import PIXELS, by_x
from dynaxx.spec.problem import did_you_mean, listed

TEXT_KEYS = {"LTX": "caption_channels", "Wan": "text_dim"}
PAIRED = ("StableDiffusionXLPipeline", "StableDiffusionXLInpaintPipeline")
"""Pipelines that read two text encoders; the refiner reads the second alone, also where it fills a mask."""


def arguments(at: Place) -> Rule:
    """The pipeline's call takes every argument of `call`."""
    takes, asked = call_arguments(at.facts.pipeline), at.stage.call
    if takes is None or not asked:
        return
    wants, strange = f"arguments of {at.facts.pipeline}", [name for name in asked if name not in takes]
    if not strange:
        yield at.says("call", listed(asked), wants, "", key="call", fits=True)
    for name in strange:
        yield at.says("call", name, wants, f"{did_you_mean(name, takes)}Remove it.", key=f"call.{name}", fits=False)


def axes(at: Place) -> Rule:
    """A pipeline for pictures answers on two axes, one for video on three."""
    family = at.facts.family
    if family is not None and at.out is not None:
        fix = "Give `out.size` one number per axis: h w for pictures, t h w for video."
        yield at.says("axes of the answer", at.out.axes, family.axes, fix, key="out.size")


def channels(at: Place) -> Rule:
    """It answers with as many channels as its codec, or its network, has."""
    latent = at.stage.out.space != PIXELS
    if latent and "vae" not in at.facts.parts:
        fix = "Leave `out.space` out: it works on pixels."
        yield at.says("space of the answer", "latents", "pixels", fix, key="out.space")
        return
    has = (
        at.facts.latent_channels
        if latent
        else at.facts.get("vae", "out_channels") or at.facts.of_network("in_channels")
    )
    if not latent and "vae" not in at.facts.parts and at.facts.family is not None and at.facts.family.level is not None:
        has = at.facts.of_network("in_channels") // 2 if at.facts.of_network("in_channels") else None
    yield at.says(
        "channels of the answer", at.stage.out.channels, has, f"Set `out.channels: {has}`.", key="out.channels"
    )


def codec(at: Place) -> Rule:
    """The latents it answers with have the scale and shift that the cascade declares."""
    declared = at.codec(at.out)
    if declared is None or "vae" not in at.facts.parts:
        return
    known = at.facts.get("vae", "latents_mean") is None
    scale, shift = at.facts.get("vae", "scaling_factor"), at.facts.get("vae", "shift_factor")
    space = at.stage.out.space
    if known:
        fix = f"Set `codecs.{space}.scale: {scale}`."
        yield at.says("scale of the latents", declared.scale, scale, fix, key="out.space")
    if shift is not None:
        fix = f"Set `codecs.{space}.shift: {shift}`."
        yield at.says("shift of the latents", declared.shift, float(shift), fix, key="out.space")


def whole_latents(at: Place) -> Rule:
    """Pixels are whole numbers of latent sites, and frames one more."""
    factor, frames = at.facts.spatial_factor, at.facts.temporal_factor
    if at.out is None or at.out.space != PIXELS or "vae" not in at.facts.parts:
        return
    if factor is not None:
        sides = at.out.size[-2:]
        fix = f"Choose multiples of {factor}."
        fits = all(side % factor == 0 for side in sides)
        yield at.says("size of the answer", by_x(sides), f"multiples of {factor}", fix, key="out.size", fits=fits)
    if frames is not None and len(at.out.size) == 3:
        fix = f"Choose {frames} k + 1 frames."
        fits = at.out.size[0] % frames == 1 % frames
        yield at.says("frames", f"{at.out.size[0]} frames", f"{frames} k + 1", fix, key="out.size", fits=fits)


def said_sizes(at: Place) -> Rule:
    """Sizes in the call are those of `out`."""
    factor = 1 if at.stage.out.space == PIXELS else at.facts.spatial_factor
    for name, axis in (("height", -2), ("width", -1)):
        if name in at.stage.call and at.out is not None and factor is not None:
            fix = "Leave it out: the cascade gives it."
            yield at.says(name, at.stage.call[name], at.out.size[axis] * factor, fix, key=f"call.{name}")


def text_width(at: Place) -> Rule:
    """The network reads text of the width that the encoders give."""
    family, facts = at.facts.family, at.facts
    if family is None or not family.embeds:
        return
    key = next((key for start, key in TEXT_KEYS.items() if facts.pipeline.startswith(start)), "")
    wants = facts.of_network(key) if key else facts.of_network("encoder_hid_dim", "cross_attention_dim")
    wants = wants[0] if isinstance(wants, list) else wants
    fix = "Use encoders of this pipeline's own release."
    yield at.says("width of the text", facts.text_width, wants, fix, key="load")


def encoders(at: Place) -> Rule:
    """SDXL's base reads two encoders; a folder with one is that of a refiner, or of another family."""
    fills = at.facts.pipeline.endswith("InpaintPipeline") and at.facts.index.get("requires_aesthetics_score")
    if at.facts.pipeline in PAIRED and not fills:
        count = sum(name in at.facts.parts for name in ("text_encoder", "text_encoder_2"))
        fix = "Leave `pipeline` out, or load a base."
        yield at.says("text encoders", count, 2, fix, key="pipeline" if at.stage.pipeline else "load")


def prompts(at: Place) -> Rule:
    """A pipeline that reads a prompt is asked for one."""
    family = at.facts.family
    if family is not None and family.embeds:
        asked = "a prompt" if at.spec.condition.text else "no prompt"
        yield at.says("condition", asked, "a prompt", "Add `condition: {text: {}}`.", key="load")


def network_channels(at: Place) -> Rule:
    """The network reads the noisy signal and what stands beside it, and answers for the signal."""
    facts, latents = at.facts, at.facts.latent_channels
    if facts.of_network("in_channels") is None or "vae" not in facts.parts or facts.network == "latent_upsampler":
        return
    beside = {"StableDiffusionLatentUpscalePipeline": latents, "StableDiffusionUpscalePipeline": 3}.get(
        facts.pipeline, 0
    )
    if latents is not None and beside is not None and "Inpaint" not in facts.pipeline and facts.network == "unet":
        fix = "Load a network of this kind, or name another `pipeline`."
        yield at.says("channels of the network", facts.of_network("in_channels"), latents + beside, fix, key="load")


def prediction(at: Place) -> Rule:
    """A scheduler in place of the folder's own reads the network's answer as it was trained."""
    trained = at.facts.get("scheduler", "_trained")
    for key in ("prediction_type", "beta_schedule", "beta_start", "beta_end", "num_train_timesteps"):
        if trained is not None and key in at.stage.scheduler and trained.get(key) is not None:
            fix = f"Leave `scheduler.{key}` out."
            yield at.says(key, at.stage.scheduler[key], trained[key], fix, key=f"scheduler.{key}")


def shares(at: Place) -> Rule:
    """Shares of a walk lie between 0 and 1."""
    for name in ("strength", "denoise_strength", "denoising_start", "denoising_end", "guidance_rescale"):
        value = at.stage.call.get(name)
        if isinstance(value, (int, float)):
            fix = "Give a share, such as 0.8; a level in std stands on the edge."
            yield at.says(name, float(value), "0 to 1", fix, key=f"call.{name}", fits=0 <= value <= 1)


def limits(at: Place) -> Rule:
    """Guidance is limited where it is known how the network is asked for it."""
    family, interval = at.facts.family, at.stage.guidance_interval
    if interval is not None and family is not None:
        said, fits = f"({interval[0]:g}, {interval[1]:g}]", family.guides
        fix = "Remove `guidance_interval`."
        yield at.says("levels of guidance", said, "none", fix, key="guidance_interval", fits=fits)


RULES = (
    arguments, axes, channels, codec, whole_latents, said_sizes, text_width, encoders, prompts, network_channels,
    prediction, shares, limits,
)  # fmt: skip
