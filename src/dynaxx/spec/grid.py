"""What a signal is sampled on: channels, axes and sizes, value space."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from dynaxx.spec.base import Count, Positive, Spec

AXES_BY_RANK = {1: "l", 2: "hw", 3: "thw"}
"""Axis letters in tensor order after batch and channels: `B C L`, `B C H W`, `B C T H W`."""

AxisMap = dict[str, Positive]
"""A number per group of axes: `{hw: 2}`, `{t: 2, hw: 2}`, `{l: 4}`."""


@dataclass(frozen=True)
class Grid:
    """A resolved sampling grid, e.g. `Grid(3, (64, 64))`: 3 channels on 64 x 64 sites.

    `space` is `pixels`, or the name of the codec whose latent space the signal lives in.
    Signals in pixels lie in [-1, 1].
    """

    channels: int
    size: tuple[int, ...]
    space: str = "pixels"

    @property
    def axes(self) -> str:
        """The axis letters: `l`, `hw` or `thw`."""
        return AXES_BY_RANK[len(self.size)]

    @property
    def sites(self) -> int:
        """The number of sites N, the product of the sizes."""
        return math.prod(self.size)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: `(channels, *size)`."""
        return (self.channels, *self.size)

    def __str__(self) -> str:
        text = f"{self.channels}x" + "x".join(map(str, self.size))
        return text if self.space == "pixels" else f"{text} ({self.space})"


class OutSpec(Spec):
    """The grid a stage answers on: fixed by `size`, or relative to its low input by `scale`."""

    channels: Count = 3
    size: Annotated[tuple[Count, ...], Field(min_length=1, max_length=3)] | None = None
    scale: Positive | AxisMap | None = None
    space: str = "pixels"


class InputSpec(Spec):
    """A signal that the user brings in at run time, named `input.<name>` on edges."""

    channels: Count = 3
    size: Annotated[tuple[Count, ...], Field(min_length=1, max_length=3)]
    space: str = "pixels"


class CodecSpec(Spec):
    """An autoencoder whose latent space stages may work in: latent = (code - shift) * scale."""

    kind: Literal["diffusers"] = "diffusers"
    load: str
    factor: Count = 8
    channels: Count = 4
    scale: float = 1.0
    shift: float = 0.0
