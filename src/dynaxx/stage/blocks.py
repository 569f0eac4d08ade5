"""The parts of the U-Net, each on one to three axes.

Shapes: B batch, C channels, S the sites of one to three axes (`*size`), N = their number, E embedding, T text tokens,
D their width, H heads, K channels per head.
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
GROUP = 8
"""Channels are normalised in at most this many groups."""


def conv(axes: int, inward: int, outward: int, *, kernel: int = 3, stride: int = 1) -> nn.Module:
    """A convolution that keeps the size, or halves it (rounded up) with stride 2."""
    return CONV[axes](inward, outward, kernel, stride=stride, padding=kernel // 2)


def zeroed(module: nn.Module) -> nn.Module:
    """The module with weights and bias at zero, so that what it ends begins as nothing."""
    for parameter in module.parameters():
        nn.init.zeros_(parameter)
    return module


def norm(channels: int) -> nn.GroupNorm:
    """Group normalisation with as many groups as divide the channels, at most `GROUP`."""
    return nn.GroupNorm(math.gcd(channels, GROUP), channels)


def waves(level: Tensor, width: int) -> Tensor:
    """Sines and cosines of levels in [0, 1] at `width / 2` rates from 1 to 1000 rad per unit: `(..., width)`.

    The slow rates separate large levels, the fast ones the small levels near 0, where std ~ level.
    """
    rates = torch.logspace(0, 3, width // 2, device=level.device, dtype=torch.float32)
    angles = level.float().unsqueeze(-1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


@final
class ResBlock(nn.Module):
    """Two convolutions beside a shortcut; the embedding scales and shifts in between (FiLM, arXiv 1709.07871)."""

    def __init__(self, axes: int, inward: int, outward: int, embedding: int, *, dropout: float) -> None:
        super().__init__()
        self.norm_in, self.conv_in = norm(inward), conv(axes, inward, outward)
        self.film = nn.Linear(embedding, 2 * outward)
        self.norm_out, self.dropout = norm(outward), nn.Dropout(dropout)
        self.conv_out = zeroed(conv(axes, outward, outward))
        self.shortcut = conv(axes, inward, outward, kernel=1) if inward != outward else nn.Identity()

    def forward(self, x_bcs: Tensor, embedding_be: Tensor) -> Tensor:
        """`(B, inward, *size)` to `(B, outward, *size)`."""
        h_bcs = self.norm_out(self.conv_in(F.silu(self.norm_in(x_bcs))))
        film = self.film(embedding_be)
        scale, shift = film.view(*film.shape, *[1] * (x_bcs.ndim - 2)).chunk(2, dim=1)
        h_bcs = torch.addcmul(shift, h_bcs, 1 + scale)
        return self.shortcut(x_bcs) + self.conv_out(self.dropout(F.silu(h_bcs)))


@final
class Attention(nn.Module):
    """Every site looks at every site, or at text; added to what was there."""

    def __init__(self, channels: int, head_dim: int, *, context: int | None = None) -> None:
        super().__init__()
        self.head_dim = head_dim
        inner = head_dim * max(1, channels // head_dim)
        self.norm = norm(channels)
        self.query = nn.Linear(channels, inner)
        self.key_value = nn.Linear(context or channels, 2 * inner)
        self.out = zeroed(nn.Linear(inner, channels))

    def forward(self, x_bcs: Tensor, context_btd: Tensor | None = None, mask_bt: Tensor | None = None) -> Tensor:
        """`(B, C, *size)` to the same shape."""
        x_bnc = self.norm(x_bcs).flatten(2).transpose(1, 2)
        keys, values = self.key_value(x_bnc if context_btd is None else context_btd).chunk(2, dim=2)
        mask = None if mask_bt is None else mask_bt[:, None, None, :]
        h_bhnk = F.scaled_dot_product_attention(
            self._heads(self.query(x_bnc)), self._heads(keys), self._heads(values), attn_mask=mask
        )
        h_bnc = self.out(h_bhnk.transpose(1, 2).flatten(2))
        return x_bcs + h_bnc.transpose(1, 2).reshape(x_bcs.shape)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (-1, self.head_dim)).transpose(1, 2)


@final
class Layer(nn.Module):
    """A residual block, then attention to itself and to the text where its resolution has that."""

    def __init__(
        self,
        axes: int,
        inward: int,
        outward: int,
        embedding: int,
        *,
        dropout: float,
        head_dim: int | None,
        text_width: int,
    ) -> None:
        super().__init__()
        self.block = ResBlock(axes, inward, outward, embedding, dropout=dropout)
        self.itself = Attention(outward, head_dim) if head_dim else None
        self.text = Attention(outward, head_dim, context=text_width) if head_dim and text_width else None

    def forward(self, x_bcs: Tensor, embedding_be: Tensor, text_btd: Tensor | None, mask_bt: Tensor | None) -> Tensor:
        """`(B, inward, *size)` to `(B, outward, *size)`."""
        x_bcs = self.block(x_bcs, embedding_be)
        if self.itself is not None:
            x_bcs = self.itself(x_bcs)
        return x_bcs if self.text is None else self.text(x_bcs, text_btd, mask_bt)


@final
class Embedding(nn.Module):
    """Levels, label and text as one vector E that every block hears."""

    def __init__(self, width: int, outward: int, *, told: int, classes: int, text_width: int) -> None:
        super().__init__()
        self.width = width
        self.levels = nn.Linear((1 + told) * width, outward)
        self.label = nn.Embedding(classes + 1, outward) if classes else None
        self.text = nn.Linear(text_width, outward) if text_width else None
        self.out = nn.Linear(outward, outward)

    def forward(self, levels: Tensor, labels: Tensor | None, text_btd: Tensor | None, mask_bt: Tensor | None) -> Tensor:
        """From `levels (B, 1 + told)`, `labels (B,)` (-1: none) and text with its mask to `(B, E)`."""
        hidden = self.levels(waves(levels, self.width).flatten(1).to(self.levels.weight.dtype))
        if self.label is not None and labels is not None:
            hidden = hidden + self.label(labels.remainder(self.label.num_embeddings))
        if self.text is not None and text_btd is not None and mask_bt is not None:
            share = mask_bt.to(text_btd.dtype).unsqueeze(2)
            hidden = hidden + self.text((text_btd * share).sum(1) / share.sum(1))
        return F.silu(self.out(F.silu(hidden)))
