"""Pipelines whose weights are chosen, so that what they do is known: they are linear, up to a millionth.

Residual branches are silent. What is left is one path from the first convolution to the last, with a group norm and a
SiLU on it: a channel that holds a large constant fixes the norm's scale, a copy of every signal with the other sign
its mean, and a bias puts the signal where the SiLU is a straight line.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import tiny_pipelines as tiny
import torch
from torch import Tensor, nn

WIDTH = 8
LARGE, STRAIGHT = 1e3, 20.0
"""The constant that fixes a norm, and the place where the SiLU is straight within float32."""
CONTRAST = 0.4
"""Of pixels per unit of latents."""


def silent(network: nn.Module) -> None:
    """Every residual branch adds nothing."""
    for name, part in network.named_modules():
        if name.endswith(("conv2", "proj_out", "to_out.0", "net.2")):
            for x in part.parameters():  # some have no bias
                nn.init.zeros_(x)


SHARP = torch.tensor([0.0, 1.0, 0.0])
SOFT = torch.tensor([0.25, 0.5, 0.25])
"""Kernels along each axis."""


def enters(conv: Any, gains: Tensor, kernel: Tensor = SHARP) -> None:
    """`gains (3, in)` of the input as three signals, their negatives, and the large constant."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    plane = gains[:, :, None, None] * torch.outer(kernel, kernel)
    conv.weight.data[:3], conv.weight.data[3:6] = plane, -plane
    conv.bias.data[-1] = LARGE


def leaves(norm: Any, conv: Any, gain: float) -> None:
    """The three signals, times `gain`, out of what `enters` made of them."""
    norm.weight.data.fill_(LARGE * (WIDTH - 1) ** 0.5 / WIDTH)
    norm.bias.data.fill_(LARGE / WIDTH + STRAIGHT)
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    for channel in range(3):
        conv.weight.data[channel, channel, 1, 1] = gain
        conv.bias.data[channel] = -gain * STRAIGHT


def averages(conv: Any) -> None:
    """Each channel's mean over two by two sites."""
    nn.init.zeros_(conv.weight)
    nn.init.zeros_(conv.bias)
    for channel in range(WIDTH):
        conv.weight.data[channel, channel, :2, :2] = 0.25


def keeps(conv: Any, first: int = 0) -> None:
    """Channel c of the answer is channel `first + c`."""
    for x in conv.parameters():
        nn.init.zeros_(x)
    middle = [n // 2 for n in conv.weight.shape[2:]]
    for channel in range(conv.weight.shape[0]):
        conv.weight.data[(channel, first + channel, *middle)] = 1.0


@torch.no_grad()
def vae(scaling: float, blocks: int = 2) -> Any:
    """The first three latents are the picture's means over patches, `1 / CONTRAST` times; the fourth is always 0."""
    codec = diffusers.AutoencoderKL(
        block_out_channels=(WIDTH,) * blocks, in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=1,
        down_block_types=("DownEncoderBlock2D",) * blocks, up_block_types=("UpDecoderBlock2D",) * blocks,
        scaling_factor=scaling,
    )  # fmt: skip
    silent(codec)
    for name, part in codec.named_modules():
        if name.endswith("downsamplers.0.conv"):
            averages(part)
        if name.endswith("upsamplers.0.conv"):
            keeps(part)
    keeps(codec.quant_conv)
    keeps(codec.post_quant_conv)
    enters(codec.encoder.conv_in, torch.eye(3))
    leaves(codec.encoder.conv_norm_out, codec.encoder.conv_out, 1 / (CONTRAST * scaling))
    enters(codec.decoder.conv_in, torch.eye(3, 4) * CONTRAST * scaling)
    leaves(codec.decoder.conv_norm_out, codec.decoder.conv_out, 1.0)
    return codec


@torch.no_grad()
def answering(network: Any, gains: Tensor, kernel: Tensor = SHARP) -> Any:
    """A U-Net that answers with `gains (3, in)` of its input, whatever the level and the prompt."""
    silent(network)
    enters(network.conv_in, gains, kernel)
    last = network.up_blocks[-1].resnets[-1]
    keeps(last.conv_shortcut, first=last.conv_shortcut.weight.shape[1] - WIDTH)
    leaves(network.conv_norm_out, network.conv_out, 1.0)
    return network


NARROW: dict[str, Any] = dict(block_out_channels=(WIDTH, 16), norm_num_groups=1)


def noisy(gain: float, channels: int) -> Tensor:
    """`gain` times the first three of the noisy signal's channels."""
    return gain * torch.eye(3, channels)


def beside(gain: float, channels: int) -> Tensor:
    """`gain` times the three channels that stand beside a noisy signal of so many."""
    return torch.cat([torch.zeros(3, channels), gain * torch.eye(3)], dim=1)


def sdxl_base() -> Any:
    pipe = tiny.sdxl_base()
    return _with(pipe, vae(0.13025), _like(pipe.unet), noisy(2.0, 4), tiny.euler(prediction_type="sample"), SOFT)


def sdxl_refiner() -> Any:
    pipe = tiny.sdxl_refiner()
    return _with(pipe, vae(0.13025), _like(pipe.unet), noisy(1.0, 4), tiny.euler(prediction_type="sample"))


def sd_base() -> Any:
    pipe = tiny.sd_base()
    scheduler = tiny.ddim(clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type="sample")
    return _with(pipe, vae(0.18215), _like(pipe.unet), noisy(2.0, 4), scheduler, SOFT)


def x4() -> Any:
    """It answers with its low input, noise and all."""
    pipe = tiny.x4()
    scheduler = tiny.ddim(clip_sample=False, set_alpha_to_one=False, steps_offset=1, prediction_type="sample")
    network = _like(pipe.unet)
    return _with(pipe, vae(0.08333, blocks=3), network, beside(1 / CONTRAST, 4), scheduler)


SETTLES = 3.0
"""How firmly the x2 upscaler's walk draws to its low input: e^(-pi / 2 of it) of the noise is left."""


@torch.no_grad()
def x2() -> Any:
    """It answers with its low input, doubled in size.

    The pipeline makes an estimate x / (s^2 + 1) + s F / sqrt(s^2 + 1) at level s; where the network answers with
    F = k (low - x / sqrt(s^2 + 1)), the walk ends within e^(-k pi / 2) of the low input.
    """
    pipe = tiny.sd_x2()
    network = pipe.unet
    silent(network)
    nn.init.zeros_(network.conv_in.weight)
    nn.init.zeros_(network.conv_in.bias)
    for channel in range(4):
        network.conv_in.weight.data[channel, channel] = -SETTLES
        network.conv_in.weight.data[channel, 4 + channel] = SETTLES
    keeps(network.up_blocks[-1].resnets[-1].conv_shortcut, first=network.conv_in.weight.shape[0])
    keeps(network.conv_out)
    pipe.register_modules(vae=vae(0.18215))
    return pipe


LTX_SIGMA = 0.183
"""Of the last of twenty steps of LTX."""


@torch.no_grad()
def finishes(network: Any, mix: Tensor) -> Any:
    """An LTX transformer that takes `mix` of x + std eps for the clean latents: right in a walk of that one step alone.

    The last norm's mean and scale are fixed by a large constant and by negatives, as a picture's are.
    """
    count, width = mix.shape[0], network.proj_in.out_features
    silent(network)
    for x in (*network.proj_in.parameters(), *network.time_embed.parameters(), network.scale_shift_table):
        nn.init.zeros_(x)
    own = torch.eye(count)
    network.proj_in.weight.data[: 2 * count] = torch.cat([own, -own])
    network.proj_in.bias.data[-1] = LARGE
    answer = (own - mix / (1 - LTX_SIGMA)) / LTX_SIGMA * LARGE * (width - 1) ** 0.5 / width / 2
    network.proj_out.weight.data[:, : 2 * count] = torch.cat([answer, -answer], dim=1)
    return network


def ltx_refine() -> Any:
    pipe = tiny.ltx_refine()
    finishes(pipe.transformer, torch.eye(8))
    return pipe


WAN_SIGMA = 0.1387
"""Of the last of twenty steps of Wan, the only one below the boundary."""
WAN_BOUNDARY = 0.2


@torch.no_grad()
def wan_finishes(mix: Tensor) -> Any:
    """Wan's lower expert that takes `mix` of x + std eps for the clean latents: right in a walk of its one step alone.

    Sites are taken by patches of two by two, so that it is wider than the tiny one.
    """
    network = tiny.wan_transformer(16, heads=12)
    silent(network)
    for x in (*network.condition_embedder.time_embedder.parameters(), network.scale_shift_table):
        nn.init.zeros_(x)
    patch, count = torch.eye(4), 4 * mix.shape[0]
    own, whole = torch.eye(count), torch.kron(patch, mix)  # by place in the patch, then by channel
    entered = own.reshape(count, 2, 2, mix.shape[0]).permute(0, 3, 1, 2)[:, :, None]
    nn.init.zeros_(network.patch_embedding.weight)
    nn.init.zeros_(network.patch_embedding.bias)
    network.patch_embedding.weight.data[: 2 * count] = torch.cat([entered, -entered])
    network.patch_embedding.bias.data[-1] = LARGE
    width = network.patch_embedding.out_channels
    answer = (own - whole / (1 - WAN_SIGMA)) / WAN_SIGMA * LARGE * (width - 1) ** 0.5 / width / 2
    network.proj_out.weight.data[:, : 2 * count] = torch.cat([answer, -answer], dim=1)
    return network


def wan() -> Any:
    pipe = tiny.wan()
    pipe.register_modules(transformer_2=wan_finishes(torch.eye(16)))
    pipe.register_to_config(boundary_ratio=WAN_BOUNDARY)
    return pipe


def if_base() -> Any:
    pipe = tiny.if_base()
    return _with(pipe, None, _like(pipe.unet), noisy(0.6, 3), _sampled(pipe.scheduler), SOFT)


def if_super() -> Any:
    pipe = tiny.if_super()
    return _with(pipe, None, _like(pipe.unet), beside(1.0, 3), _sampled(pipe.scheduler))


def _sampled(scheduler: Any) -> Any:
    return type(scheduler).from_config(scheduler.config, prediction_type="sample")


def _like(network: Any) -> Any:
    """An exact network of the same kind, narrow."""
    said = {name: value for name, value in network.config.items() if not name.startswith("_")}
    return type(network)(**said | NARROW)


def _with(pipe: Any, codec: Any, network: Any, gains: Tensor, scheduler: Any, kernel: Tensor = SHARP) -> Any:
    found = {"unet": answering(network, gains, kernel), "scheduler": scheduler} | (
        {"vae": codec} if codec is not None else {}
    )
    pipe.register_modules(**found)
    return pipe


BUILDERS: dict[str, Callable[[], Any]] = {
    "sd": sd_base, "sd-x2": x2, "x4": x4, "sdxl": sdxl_base, "sdxl-refiner": sdxl_refiner, "if-1": if_base,
    "if-2": if_super, "ltx": tiny.ltx_base, "ltx-refine": ltx_refine, "wan": wan,
}  # fmt: skip


def saved(name: str, root: Path) -> Path:
    """The folder of an exact pipeline, made on first use."""
    folder = root / name
    if not folder.is_dir():
        BUILDERS[name]().save_pretrained(folder)
    return folder
