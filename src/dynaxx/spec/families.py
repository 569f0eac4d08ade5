"""What families of diffusers pipelines take and give, as far as their configurations do not state it. No torch.

Sources: the pipelines' own signatures and processing in diffusers 0.42; levels and kernels also from the projects
that the pipelines come from (DeepFloyd IF, CompVis and Stability AI, LTX-Video, Wan).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

PAIR = ("prompt_embeds", "negative_prompt_embeds")
POOLED = (*PAIR, "pooled_prompt_embeds", "negative_pooled_prompt_embeds")
MASKED = ("prompt_embeds", "prompt_attention_mask", "negative_prompt_embeds", "negative_prompt_attention_mask")
"""What `encode_prompt` answers with, in order, by the argument of the call that takes it."""


@final
@dataclass(frozen=True)
class Knob:
    """The argument by which a pipeline is told the level of its low input: a unit, its default, its range there."""

    argument: str
    unit: str
    default: float
    low: float
    high: float


@final
@dataclass(frozen=True)
class Family:
    """What pipelines of one kind take and give.

    Args:
        low: the argument that the input `low` is passed as; empty where there is none.
        latents: the argument that takes `low` as latents; empty where it must be pixels.
        axes: of what it answers with, `hw` or `thw`.
        signed: whether pixels are passed and answered in [-1, 1], not in [0, 1].
        embeds: what `encode_prompt` answers with, by argument; empty where no prompt is taken.
        text: pipelines of one `text` encode a prompt alike, given the same encoders.
        level: how it is told the level of its low input.
        start: the argument for the share of its steps that it walks from its low input; empty where it has none.
        start_default: what that share is where nobody says.
        fraction: whether `denoising_end` and `denoising_start` hand over in the middle of denoising.
        experts: whether two networks share the walk, parted at `boundary_ratio`.
        mutes: whether guidance 0 stands for no prompt.
        scale: the factor per axis from its low input to its answer; 0 where it is free.
        kernel: how it resizes its low input; empty where nobody says, `none` where it does not.
        apart: whether its network is asked for the two answers of guidance one after the other, with the prompt first;
            else in one batch, with the prompt last.
        seen: whether an encoder of its own may see its picture as well; it takes 8-bit ones, and would darken others.
        single: whether it takes one sample a call (LTX mixes up the levels of several that begin at latents; Wan
            encodes every one of several pictures as often as there are).
    """

    low: str = ""
    latents: str = ""
    axes: Literal["hw", "thw"] = "hw"
    signed: bool = False
    embeds: tuple[str, ...] = ()
    text: str = ""
    level: Knob | None = None
    start: str = ""
    start_default: float = 1.0
    fraction: bool = False
    experts: bool = False
    mutes: bool = False
    scale: float = 0.0
    kernel: str = ""
    apart: bool = False
    seen: bool = False
    single: bool = False

    @property
    def guides(self) -> bool:
        """Whether it is known how its network is asked for an answer with the prompt and one without."""
        return bool(self.embeds)


IF_LEVEL = Knob("noise_level", "if-noise-level", 250, 0, 999)
IF_INPAINT_LEVEL = Knob("noise_level", "if-noise-level", 0, 0, 999)
X4_LEVEL = Knob("noise_level", "x4-noise-level", 20, 0, 350)

FAMILIES: dict[str, Family] = {
    "IFPipeline": Family(signed=True, embeds=PAIR, text="if"),
    "IFImg2ImgPipeline": Family(
        low="image", signed=True, embeds=PAIR, text="if", start="strength", start_default=0.7, kernel="none"
    ),
    "IFInpaintingPipeline": Family(
        low="image", signed=True, embeds=PAIR, text="if", start="strength", start_default=1.0, kernel="none"
    ),
    "IFSuperResolutionPipeline": Family(
        low="image", signed=True, embeds=PAIR, text="if", level=IF_LEVEL, kernel="bilinear-corners"
    ),
    "IFImg2ImgSuperResolutionPipeline": Family(
        low="image", signed=True, embeds=PAIR, text="if", level=IF_LEVEL, start="strength",
        start_default=0.8, kernel="bilinear-corners",
    ),
    "IFInpaintingSuperResolutionPipeline": Family(
        low="image", signed=True, embeds=PAIR, text="if", level=IF_INPAINT_LEVEL, start="strength",
        start_default=0.8, kernel="bilinear-corners",
    ),
    "StableDiffusionPipeline": Family(embeds=PAIR, text="clip"),
    "StableDiffusionImg2ImgPipeline": Family(
        low="image", latents="image", embeds=PAIR, text="clip", start="strength", start_default=0.8
    ),
    "StableDiffusionInpaintPipeline": Family(
        low="image", latents="image", embeds=PAIR, text="clip", start="strength", start_default=1.0
    ),
    "StableDiffusionLatentUpscalePipeline": Family(
        low="image", latents="image", embeds=POOLED, text="clip-pooled", mutes=True, scale=2, kernel="nearest"
    ),
    "StableDiffusionUpscalePipeline": Family(
        low="image", embeds=PAIR, text="clip", level=X4_LEVEL, scale=4, kernel="none"
    ),
    "StableDiffusionXLPipeline": Family(embeds=POOLED, text="sdxl", fraction=True),
    "StableDiffusionXLImg2ImgPipeline": Family(
        low="image", latents="image", embeds=POOLED, text="sdxl", start="strength", start_default=0.3, fraction=True
    ),
    "StableDiffusionXLInpaintPipeline": Family(
        low="image", latents="image", embeds=POOLED, text="sdxl", start="strength", start_default=0.9999, fraction=True
    ),
    "LTXPipeline": Family(axes="thw", embeds=MASKED, text="ltx"),
    "LTXConditionPipeline": Family(
        low="video", latents="latents", axes="thw", embeds=MASKED, text="ltx", start="denoise_strength", single=True
    ),
    "LTXImageToVideoPipeline": Family(low="image", axes="thw", embeds=MASKED, text="ltx"),
    "LTXLatentUpsamplePipeline": Family(latents="latents", axes="thw", scale=2, kernel="none"),
    "WanPipeline": Family(latents="latents", axes="thw", embeds=PAIR, text="wan", apart=True, experts=True),
    "WanImageToVideoPipeline": Family(
        low="image", latents="latents", axes="thw", embeds=PAIR, text="wan", apart=True, experts=True, seen=True,
        single=True,
    ),
    "WanVideoToVideoPipeline": Family(
        low="video", axes="thw", embeds=PAIR, text="wan", apart=True, start="strength", start_default=0.8
    ),
}  # fmt: skip

OWN_ARGUMENTS = {
    "prompt": "the prompt comes from the run",
    "generator": "random numbers come from the run's seed and the samples' ids",
    "latents": "signals come over edges",
    "image": "signals come over edges",
    "video": "signals come over edges",
    "mask_image": "signals come over edges",
    "output_type": "`out.space` says what is answered",
    "return_dict": "the stage reads the answer itself",
    "num_images_per_prompt": "the run says how many samples are drawn",
    "num_videos_per_prompt": "the run says how many samples are drawn",
    "callback": "the run follows the steps",
    "callback_on_step_end": "the run follows the steps",
}
"""Arguments of a pipeline's call that are the cascade's to give, and why."""
