"""A cascade of three random-weight stages shaped as DeepFloyd IF's, saved as diffusers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

TEXT = 64
WORDS = ["<pad>", "</s>", "<unk>", "a", "red", "green", "apple", "pear"]
WIDTHS: dict[str, dict[str, tuple[int, ...]]] = {
    "gpu": {
        "one": (320, 640, 1024, 1344), "two": (128, 256, 576, 1152), "three": (128, 256, 512, 1024, 1216),
    },
    "cpu": {"one": (96, 192, 288), "two": (64, 128, 192), "three": (64, 128, 192)},
}  # fmt: skip
"""Of every level; on a GPU the stages have 0.9, 0.45 and 0.7 billion parameters."""
ATTENDING = {"one": 3, "two": 2, "three": 2}
"""How many of the coarsest levels attend: those of up to 32 x 32 sites, as in IF."""
LIKE_IF: dict[str, Any] = {"resnet_time_scale_shift": "scale_shift", "act_fn": "gelu"}
"""What IF's networks are told beside; those for a CPU do without."""
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
    widths, base, gpu = WIDTHS[scale][name], name == "one", scale == "gpu"
    told: dict[str, Any] = {} if base else {"class_embed_type": "timestep", "num_class_embeds": 1000}
    plain = len(widths) - (ATTENDING[name] if gpu else 2)
    kinds = ["Resnet" if level < plain else "SimpleCrossAttn" for level in range(len(widths))]
    unet = diffusers.UNet2DConditionModel(
        sample_size=16, in_channels=3 if base else 6, out_channels=6, layers_per_block=3, attention_head_dim=32,
        block_out_channels=widths, cross_attention_dim=TEXT, encoder_hid_dim=TEXT,
        down_block_types=[f"{kind}{'Downsample' if kind == 'Resnet' else 'Down'}Block2D" for kind in kinds],
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=[f"{kind}{'Upsample' if kind == 'Resnet' else 'Up'}Block2D" for kind in reversed(kinds)],
        **told, **(LIKE_IF if gpu else {}),
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
    """Write the three stages below a folder, in the number format in which a GPU works."""
    for name in NAMES:
        made = pipeline(name, scale)
        (made.to(torch.bfloat16) if scale == "gpu" else made).save_pretrained(root / name)


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
