"""The U-Net of our own stages: one to three axes, told levels, a label, text.

Diffusers' plain networks take no told level and no text on one and three axes, so this one fills the gap; it is a
diffusers model and is saved and loaded like any other. Shape legend: see `blocks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import final

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn
from torch.nn import functional as F

from dynaxx.stage.blocks import Embedding, Layer, conv, norm, zeroed


@final
class CascadeUNet(ModelMixin, ConfigMixin):
    """A U-Net (arXiv 1505.04597, 2006.11239) whose last layer begins at zero.

    Args:
        axes: 1 (`l`), 2 (`h w`) or 3 (`t h w`).
        in_channels: channels of x_t and of all that stands beside it.
        out_channels: channels of the answer.
        width: channels at the finest resolution; times `mults`, finest first.
        mults: one per resolution, each half the size of the one before, rounded up: any size fits.
        blocks: residual blocks per resolution, down and up.
        attention: indices of the resolutions that attend to themselves and to text.
        head_dim: channels per attention head.
        dropout: inside residual blocks.
        told: how many levels of inputs the network is told beside the level of x_t.
        classes: number of labels, 0 for none.
        text_width: width of text tokens, 0 for none.
    """

    _supports_gradient_checkpointing = True
    _group_offload_block_modules = ("downs", "ups")
    """Lists of lists of layers: each layer is streamed by itself, as those of `middle` are."""

    @register_to_config
    def __init__(
        self,
        axes: int = 2,
        in_channels: int = 3,
        out_channels: int = 3,
        width: int = 64,
        mults: Sequence[int] = (1, 2, 2),
        blocks: int = 2,
        attention: Sequence[int] = (2,),
        head_dim: int = 32,
        dropout: float = 0.0,
        told: int = 0,
        classes: int = 0,
        text_width: int = 0,
    ) -> None:
        super().__init__()
        self.gradient_checkpointing = False
        self._axes, self._dropout, self._head_dim, self._text_width = axes, dropout, head_dim, text_width
        widths, self._hidden = [width * m for m in mults], 4 * width
        self.embedding = Embedding(width + width % 2, 4 * width, told=told, classes=classes, text_width=text_width)
        self.no_text = nn.Parameter(torch.randn(1, 1, text_width) * 0.02) if text_width else None
        self.stem = conv(axes, in_channels, widths[0])
        self.downs, self.shrinks = self._down(widths, blocks, attention)
        self.middle = self._layers([widths[-1]] * 3, widths[-1], len(widths) - 1 in attention)
        self.ups, self.grows = self._up(widths, blocks, attention)
        self.last_norm, self.last = norm(widths[0]), zeroed(conv(axes, widths[0], out_channels))

    def forward(
        self,
        x: Tensor,
        level: Tensor,
        told: Tensor | None = None,
        labels: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
    ) -> Tensor:
        """Answer `(B, out_channels, *size)`.

        Args:
            x: `(B, in_channels, *size)`.
            level: told level of x_t, `(B,)` in [0, 1].
            told: levels of the inputs, `(B, told)` in [0, 1].
            labels: `(B,)`, -1 for none.
            text: `(B, T, text_width)`.
            text_mask: `(B, T)`, True where a token stands.
        """
        text, text_mask = self._with_no_text(text, text_mask, len(x))
        levels = level.unsqueeze(1) if told is None else torch.cat([level.unsqueeze(1), told], dim=1)
        given = (self.embedding(levels, labels, text, text_mask), text, text_mask)
        h, kept = self.stem(x), []
        for layers, shrink in zip(self.downs, self.shrinks, strict=True):
            h = shrink(h)
            for layer in _each(layers):
                h = self._pass(layer, h, *given)
                kept.append(h)
        for layer in self.middle:
            h = self._pass(layer, h, *given)
        for layers, grow in zip(self.ups, self.grows, strict=True):
            if not isinstance(grow, nn.Identity):
                h = F.interpolate(h, size=kept[-1].shape[2:], mode="nearest")
            h = grow(h)
            for layer in _each(layers):
                h = self._pass(layer, torch.cat([h, kept.pop()], dim=1), *given)
        return self.last(F.silu(self.last_norm(h)))

    def _pass(self, layer: nn.Module, *args: Tensor | None) -> Tensor:
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return self._gradient_checkpointing_func(layer, *args)
        return layer(*args)

    def _with_no_text(
        self, text: Tensor | None, mask: Tensor | None, batch: int
    ) -> tuple[Tensor | None, Tensor | None]:
        """The tokens behind a learned one that always stands: what is left to attend to without a prompt."""
        if self.no_text is None:
            return None, None
        first = self.no_text.expand(batch, 1, -1)
        stands = torch.ones(batch, 1, dtype=torch.bool, device=first.device)
        if text is None:
            return first, stands
        mask = torch.ones(text.shape[:2], dtype=torch.bool, device=text.device) if mask is None else mask
        return torch.cat([first, text.to(first.dtype)], dim=1), torch.cat([stands, mask], dim=1)

    def _layers(self, inwards: Sequence[int], outward: int, attends: bool) -> nn.ModuleList:
        """One layer per number of input channels."""
        return nn.ModuleList(
            Layer(
                self._axes, inward, outward, self._hidden, dropout=self._dropout,
                head_dim=self._head_dim if attends else None, text_width=self._text_width,
            )
            for inward in inwards
        )  # fmt: skip

    def _down(
        self, widths: Sequence[int], blocks: int, attention: Sequence[int]
    ) -> tuple[nn.ModuleList, nn.ModuleList]:
        layers, shrinks = nn.ModuleList(), nn.ModuleList()
        before = [widths[0], *widths]
        for i, width in enumerate(widths):
            shrinks.append(conv(self._axes, before[i], before[i], stride=2) if i else nn.Identity())
            layers.append(self._layers([before[i], *[width] * (blocks - 1)], width, i in attention))
        return layers, shrinks

    def _up(self, widths: Sequence[int], blocks: int, attention: Sequence[int]) -> tuple[nn.ModuleList, nn.ModuleList]:
        layers, grows = nn.ModuleList(), nn.ModuleList()
        inward = widths[-1]
        for i in reversed(range(len(widths))):
            grows.append(conv(self._axes, inward, inward) if i < len(widths) - 1 else nn.Identity())
            first, rest = inward + widths[i], [2 * widths[i]] * (blocks - 1)
            layers.append(self._layers([first, *rest], widths[i], i in attention))
            inward = widths[i]
        return layers, grows


def _each(layers: nn.Module) -> Iterable[nn.Module]:
    return layers.children()
