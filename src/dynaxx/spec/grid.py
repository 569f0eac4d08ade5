"""What a signal is sampled on: channels, axes and sizes, value space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import field_validator

from dynaxx.spec.base import Count, Positive, Sizes, Spec

AXES_BY_RANK = {1: "l", 2: "hw", 3: "thw"}
"""Axis letters in tensor order after batch and channels: `B C L`, `B C H W`, `B C T H W`."""

AxisMap = dict[str, Positive]
"""A number per group of axes: `{hw: 2}`, `{t: 2, hw: 2}`, `{l: 4}`."""

PIXELS = "pixels"
"""The space of signals as they are; any other is the latent space of the codec of that name."""


def by_x(size: Sequence[int]) -> str:
    """A size as people write it: `64x64`."""
    return "x".join(map(str, size))


@dataclass(frozen=True)
class Grid:
    """A resolved sampling grid, e.g. `Grid(3, (64, 64))`: 3 channels on 64 x 64 sites.

    `space` is `pixels`, or the name of the codec whose latent space the signal lives in.
    Signals in pixels lie in [-1, 1].
    """

    channels: int
    size: tuple[int, ...]
    space: str = PIXELS

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
        text = by_x(self.shape)
        return text if self.space == PIXELS else f"{text} ({self.space})"


class OutSpec(Spec):
    """The grid a stage answers on: fixed by `size`, or relative to its low input by `scale`."""

    channels: Count = 3
    size: Sizes | None = None
    scale: Positive | AxisMap | None = None
    space: str = PIXELS

    @field_validator("scale")
    @classmethod
    def _scales_something(cls, value: float | AxisMap | None) -> float | AxisMap | None:
        if value == {}:
            raise ValueError("scale names no axis. Give a number, or a factor per axis such as {hw: 2}.")
        return value


class InputSpec(Spec):
    """A signal that the user brings in at run time, named `input.<name>` on edges."""

    channels: Count = 3
    size: Sizes
    space: str = PIXELS
