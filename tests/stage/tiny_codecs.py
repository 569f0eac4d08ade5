"""Tiny autoencoders with random weights, of the families that a codec may be, and one that is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor, nn

from dynaxx.data.shapes import Shapes
from dynaxx.spec.codec import CodecSpec
from dynaxx.spec.data import ShapesData

KL = {
    "block_out_channels": [8, 16], "down_block_types": ["DownEncoderBlock2D"] * 2, "layers_per_block": 1,
    "up_block_types": ["UpDecoderBlock2D"] * 2, "norm_num_groups": 4, "latent_channels": 4,
    "mid_block_add_attention": False,
}  # fmt: skip
"""An AutoencoderKL of factor 2."""

# name: class, configuration, what the cascade file says of it, latents that it can work on
FAMILIES: dict[str, tuple[str, dict[str, Any], dict[str, Any], tuple[int, ...]]] = {
    "kl": ("AutoencoderKL", KL | {"scaling_factor": 0.7, "shift_factor": 0.2}, {"factor": 2}, (4, 6)),
    "tiny": (
        "AutoencoderTiny",
        {
            "encoder_block_out_channels": [8, 8], "decoder_block_out_channels": [8, 8], "latent_channels": 3,
            "num_encoder_blocks": [1, 1], "num_decoder_blocks": [1, 1], "scaling_factor": 0.5,
        },
        {"factor": 2, "channels": 3},
        (4, 6),
    ),
    "vq": (
        "VQModel",
        {
            "block_out_channels": [8, 16], "down_block_types": ["DownEncoderBlock2D"] * 2, "norm_num_groups": 4,
            "up_block_types": ["UpDecoderBlock2D"] * 2, "num_vq_embeddings": 16, "latent_channels": 3,
            "mid_block_add_attention": False,
        },
        {"factor": 2, "channels": 3},
        (4, 6),
    ),
    "dc": (
        "AutoencoderDC",
        {
            "latent_channels": 4, "encoder_block_types": "ResBlock", "decoder_block_types": "ResBlock",
            "encoder_block_out_channels": [8, 8], "decoder_block_out_channels": [8, 8],
            "encoder_layers_per_block": [1, 1], "decoder_layers_per_block": [1, 1],
            "encoder_qkv_multiscales": [[], []], "decoder_qkv_multiscales": [[], []],
            "upsample_block_type": "interpolate", "downsample_block_type": "conv", "scaling_factor": 0.4,
        },
        {"factor": 2},
        (4, 6),
    ),
    "oobleck": (
        "AutoencoderOobleck",
        {
            "encoder_hidden_size": 8, "downsampling_ratios": [2, 4], "channel_multiples": [1, 2],
            "decoder_channels": 8, "decoder_input_channels": 4, "audio_channels": 2,
        },
        {"factor": 8, "channels": 4, "signal_channels": 2},
        (5,),
    ),
    "wan": (
        "AutoencoderKLWan",
        {
            "base_dim": 4, "z_dim": 4, "dim_mult": [1, 1, 1], "num_res_blocks": 1,
            "temperal_downsample": [True, True], "latents_mean": [0.1, -0.2, 0.3, 0.0],
            "latents_std": [1.5, 2.0, 0.5, 1.0],
        },
        {"factor": 4, "causal": True},
        (2, 4, 4),
    ),
}  # fmt: skip


def autoencoder(name: str, **config: Any) -> Any:
    """A tiny autoencoder of a family, with random weights that are always the same."""
    kind, settings, _, _ = FAMILIES[name]
    torch.manual_seed(0)
    network = getattr(diffusers, kind)(**settings, **config).eval()
    for parameter in network.parameters():  # diffusers begins some at 0
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=0.3 / parameter[0].numel() ** 0.5)
    return network


def saved(name: str, folder: Path, **said: Any) -> CodecSpec:
    """A tiny autoencoder in a folder, and what a cascade file says of it."""
    autoencoder(name).save_pretrained(folder)
    return CodecSpec(load=str(folder), **(FAMILIES[name][2] | said))


def trained_on_shapes(folder: Path, *, steps: int = 300) -> None:
    """An AutoencoderKL of factor 2 that has seen shapes of 16 x 16; its latents have mean 0 and std 1 when scaled."""
    torch.manual_seed(0)
    x, rate = shapes(512), 5e-3
    network: Any = diffusers.AutoencoderKL(**KL | {"block_out_channels": [16, 16]}).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * min(1, 2 * (1 - step / steps))
        batch = x[torch.arange(step * 16, step * 16 + 16) % len(x)]
        posterior = network.encode(batch).latent_dist
        loss = (network.decode(posterior.sample()).sample - batch).square().mean() + 1e-5 * posterior.kl().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        code = network.eval().encode(x).latent_dist.mean
    network.register_to_config(scaling_factor=1 / code.std().item(), shift_factor=code.mean().item())
    network.save_pretrained(folder)


def shapes(count: int, *, seed: int = 0, size: tuple[int, int] = (16, 16)) -> Tensor:
    """Drawn shapes, `(count, 3, *size)`."""
    data = Shapes(ShapesData(count=count, size=size, seed=seed))
    return torch.stack([data[i].x for i in range(count)])
