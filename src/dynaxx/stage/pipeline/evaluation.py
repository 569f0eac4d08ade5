"""One evaluation of a denoising network, with all that its class and its configuration ask for."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

TIME_IDS = {2816: 6, 2560: 5}
"""How many sizes and scores are told beside a pooled text of 1280, by the width of both (arXiv 2307.01952)."""
TOKENS = 77
LTX_TOKENS, WAN_TOKENS = 128, 512
"""The length of a prompt where the pipeline's call says nothing else."""
Given = dict[str, Any]
Asking = Callable[[Any, Tensor, int, tuple[int, ...]], Given]
"""From a configuration, a tensor like the weights, a batch and a size: what the network is called with."""


def evaluation(network: nn.Module, batch: int, size: tuple[int, ...]) -> Callable[[], Tensor]:
    """One evaluation of a denoising network on a grid of `size`, patches packed as its pipeline does it."""
    asks = ASKED.get(type(network).__name__, _picture)
    given = asks(network.config, next(network.parameters()), batch, size)

    def run() -> Tensor:
        answer: Any = network(**given)
        return answer if isinstance(answer, Tensor) else answer[0]

    return run


def _picture(config: Any, like: Tensor, batch: int, size: tuple[int, ...]) -> Given:
    text = like.new_zeros(batch, TOKENS, int(config.get("encoder_hid_dim") or config["cross_attention_dim"]))
    x, timestep = like.new_zeros(batch, config["in_channels"], *size), torch.zeros(batch, device=like.device)
    given: Given = {"sample": x, "timestep": timestep, "encoder_hidden_states": text, "return_dict": False}
    if config.get("num_class_embeds") or config.get("class_embed_type") == "timestep":
        given["class_labels"] = torch.zeros(batch, dtype=torch.int64, device=like.device)
    if config.get("time_cond_proj_dim"):
        given["timestep_cond"] = like.new_zeros(batch, config["time_cond_proj_dim"])
    if config.get("addition_embed_type") == "text_time":
        width = config["projection_class_embeddings_input_dim"]
        count = TIME_IDS.get(width, 6)
        pooled = width - count * config["addition_time_embed_dim"]
        told = like.new_zeros(batch, count)
        given["added_cond_kwargs"] = {"text_embeds": like.new_zeros(batch, pooled), "time_ids": told}
    return given


def _ltx(config: Any, like: Tensor, batch: int, size: tuple[int, ...]) -> Given:
    frames, height, width = size
    patches = math.prod(size) // (config["patch_size_t"] * config["patch_size"] ** 2)
    return {
        "hidden_states": like.new_zeros(batch, patches, config["in_channels"]), "num_frames": frames, "height": height,
        "encoder_hidden_states": like.new_zeros(batch, LTX_TOKENS, config["caption_channels"]), "width": width,
        "encoder_attention_mask": torch.ones(batch, LTX_TOKENS, dtype=torch.bool, device=like.device),
        "timestep": torch.zeros(batch, device=like.device), "rope_interpolation_scale": (1.0, 1.0, 1.0),
        "return_dict": False,
    }  # fmt: skip


def _wan(config: Any, like: Tensor, batch: int, size: tuple[int, ...]) -> Given:
    return {
        "hidden_states": like.new_zeros(batch, config["in_channels"], *size), "return_dict": False,
        "timestep": torch.zeros(batch, device=like.device),
        "encoder_hidden_states": like.new_zeros(batch, WAN_TOKENS, config["text_dim"]),
    }  # fmt: skip


ASKED: dict[str, Asking] = {"LTXVideoTransformer3DModel": _ltx, "WanTransformer3DModel": _wan}
"""By class; every other is called as U-Nets for pictures are."""
