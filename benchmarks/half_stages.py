"""Random networks of pretrained pipelines in half precision, and real evaluations of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dynaxx.plan.evaluated import evaluated
from dynaxx.plan.profile import Profile
from dynaxx.stage.pipeline.bare import bare_network
from dynaxx.stage.pipeline.evaluation import evaluation

FORMATS = ("bfloat16", "float16")


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of one sample: its profile, and the work."""

    dtype: str
    size: tuple[int, int]
    profile: Profile
    run: Callable[[], object]


def evaluations(count: int, seed: int) -> Iterator[Evaluation]:
    """So many networks over widths, depths, sizes, attention and text, in turns of the two formats."""
    rng = random.Random(seed)
    for i in range(count):
        dtype, side = FORMATS[i % len(FORMATS)], rng.choice([8, 16, 32])
        network = bare_network(_config(rng), "drawn")
        nn.Module.to(network, getattr(torch, dtype))
        size = (side, side)
        profile = evaluated(network, evaluation(network, 1, size), size)
        there = network.to_empty(device="cpu")
        with torch.no_grad():
            for p in there.parameters():
                p.normal_(std=0.02)
        yield Evaluation(dtype, size, profile, torch.no_grad()(evaluation(there, 1, size)))


def _config(rng: random.Random) -> dict[str, Any]:
    depth, width, attends = rng.choice([2, 3]), rng.choice([16, 32, 64, 96]), rng.random() < 0.7
    kinds = ["CrossAttn" if attends and i else "" for i in range(depth)]
    return {
        "_class_name": "UNet2DConditionModel", "block_out_channels": [width * (i + 1) for i in range(depth)],
        "down_block_types": [f"{kind}DownBlock2D" for kind in kinds],
        "up_block_types": [f"{kind}UpBlock2D" for kind in reversed(kinds)],
        "mid_block_type": "UNetMidBlock2DCrossAttn" if attends else None,
        "cross_attention_dim": rng.choice([32, 64, 128]), "attention_head_dim": rng.choice([2, 4]),
        "layers_per_block": rng.choice([1, 2]), "norm_num_groups": 8, "in_channels": 4, "out_channels": 4,
    }  # fmt: skip
