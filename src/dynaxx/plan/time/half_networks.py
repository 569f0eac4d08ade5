"""A few whole networks in half precision: what the ratios of single operations leave out, they show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import nn

from dynaxx.plan.evaluated import evaluated
from dynaxx.plan.profile import Profile
from dynaxx.stage.unet import CascadeUNet

SHAPES = ((16, (1, 2), 8), (64, (1, 2), 16), (32, (1, 2, 3), 16), (64, (1, 2), 32))
"""Width, multiples and sites along each of two axes; all attend to themselves and to text at their coarsest."""
TOKENS, TEXT = 77, 64
"""Of the text that they are given."""


@final
@dataclass(frozen=True)
class HalfTrial:
    """One evaluation of one sample: its profile in either format, and the work to be timed."""

    profile: Profile
    size: tuple[int, ...]
    network: nn.Module

    def in_format(self, dtype: str) -> Profile:
        """Bytes are the same in both."""
        return replace(self.profile, dtype=dtype)

    def work(self, dtype: torch.dtype, device: torch.device) -> Callable[[], object]:
        """A call of the network, which is moved there."""
        return _call(nn.Module.to(self.network, device, dtype), self.size)


def half_trials() -> Iterator[HalfTrial]:
    """Small networks first."""
    for width, mults, side in SHAPES:
        size = (side, side)
        with torch.device("meta"):
            network = CascadeUNet(width=width, mults=mults, blocks=1, attention=(len(mults) - 1,), text_width=TEXT)
        network.eval()
        nn.Module.to(network, torch.bfloat16)
        profile = evaluated(network, _call(network, size), size)
        there = network.to_empty(device="cpu")
        with torch.no_grad():
            for p in there.parameters():
                p.normal_(std=0.02)
        yield HalfTrial(profile, size, there)


def _call(network: nn.Module, size: tuple[int, ...]) -> Callable[[], object]:
    like = next(network.parameters())
    x, level, text = like.new_zeros(1, 3, *size), like.new_zeros(1), like.new_zeros(1, TOKENS, TEXT)
    return lambda: network(x, level, text=text)
