"""The levers by name, in the order in which they are tried."""

from __future__ import annotations

import torch
from torch.nn.attention import SDPBackend

from dynaxx.stage.levers.attention import attending, can_fuse, fused
from dynaxx.stage.levers.compiled import compiled, graphs
from dynaxx.stage.levers.convolution import searched
from dynaxx.stage.levers.layout import channels_last
from dynaxx.stage.levers.lever import Lever
from dynaxx.stage.levers.precision import half, is_full


def _attention(first: SDPBackend, *on: str) -> Lever:
    return Lever(attending(first), on=on, alone="is set for all devices at once", group="attention")


def _precision(dtype: torch.dtype, within: float) -> Lever:
    return Lever(half(dtype), fits=is_full, group="precision", within=within)


LEVERS: dict[str, Lever] = {
    "channels-last": Lever(channels_last),
    "bfloat16": _precision(torch.bfloat16, within=0.15),
    "float16": _precision(torch.float16, within=0.02),
    "fused-projections": Lever(fused, fits=can_fuse, moves=False),
    "attention-flash": _attention(SDPBackend.FLASH_ATTENTION, "cpu", "cuda"),
    "attention-efficient": _attention(SDPBackend.EFFICIENT_ATTENTION, "cuda"),
    "attention-cudnn": _attention(SDPBackend.CUDNN_ATTENTION, "cuda"),
    "attention-math": _attention(SDPBackend.MATH),
    "cudnn-search": Lever(searched, on=("cuda",), alone="is set for all devices at once", slow_start=True),
    "compile": Lever(compiled, on=("cpu", "cuda", "xpu"), slow_start=True),
    "cuda-graphs": Lever(
        graphs, on=("cuda",), moves=False, slow_start=True,
        alone="replays what the same thread recorded, and every run has new ones",
    ),
}  # fmt: skip
"""A later one is tried on top of those that were kept."""
