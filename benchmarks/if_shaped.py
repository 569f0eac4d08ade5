"""A cascade of three random-weight stages shaped as DeepFloyd IF's, saved as diffusers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

TEXT = 64
WORDS = ["<pad>", "</s>", "<unk>", "a", "red", "green", "apple", "pear"]
WIDTHS = {"gpu": {"one": 512, "two": 384, "three": 448}, "cpu": {"one": 96, "two": 64, "three": 64}}
"""Of the finest level; on a GPU the stages have about 0.9, 0.45 and 0.7 billion parameters."""
NAMES = ("one", "two", "three")


def tokenizer() -> Any:
    """A tokenizer of a few words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=77
    )


def pipeline(name: str, scale: str) -> Any:
    """One stage: the base, or a super-resolution stage that reads it."""
    import diffusers
    from transformers import T5Config, T5EncoderModel

    torch.manual_seed(NAMES.index(name))
    sizes: dict[str, Any] = dict(vocab_size=len(WORDS), d_model=TEXT, d_kv=16, d_ff=128, num_layers=2, num_heads=4)
    width, base = WIDTHS[scale][name], name == "one"
    told: dict[str, Any] = {} if base else {"class_embed_type": "timestep", "num_class_embeds": 1000}
    unet = diffusers.UNet2DConditionModel(
        sample_size=16, in_channels=3 if base else 6, out_channels=6, layers_per_block=3, attention_head_dim=32,
        block_out_channels=(width, 2 * width, 3 * width), cross_attention_dim=TEXT, encoder_hid_dim=TEXT,
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"), **told,
    )  # fmt: skip
    table: dict[str, Any] = {"beta_schedule": "squaredcos_cap_v2"}
    scheduler = diffusers.DDPMScheduler(variance_type="learned_range", thresholding=True, **table)
    parts: dict[str, Any] = {
        "tokenizer": tokenizer(), "text_encoder": T5EncoderModel(T5Config(**sizes)), "unet": unet,
        "scheduler": scheduler, "safety_checker": None, "feature_extractor": None, "watermarker": None,
        "requires_safety_checker": False,
    }  # fmt: skip
    if base:
        return diffusers.IFPipeline(**parts)
    return diffusers.IFSuperResolutionPipeline(image_noising_scheduler=diffusers.DDPMScheduler(**table), **parts)


def saved(root: Path, scale: str) -> None:
    """Write the three stages below a folder."""
    for name in NAMES:
        pipeline(name, scale).save_pretrained(root / name)


def spec(size: int, steps: int, dtype: str) -> dict[str, Any]:
    """The cascade file: 1, 2 and 4 times the base size."""
    few = {"num_inference_steps": steps}
    stages: list[dict[str, Any]] = [
        {"kind": "pipeline", "role": "base", "name": "one", "load": "one", "dtype": dtype, "call": few,
         "out": {"size": [size, size]}},
    ]  # fmt: skip
    for low, name in zip(NAMES, NAMES[1:], strict=False):
        up = {"kind": "pipeline", "role": "bridge", "name": name, "load": name, "from": low, "dtype": dtype}
        stages.append(up | {"call": few, "out": {"scale": 2}})
    return {"name": "if-shaped", "condition": {"text": {}}, "stages": stages}
