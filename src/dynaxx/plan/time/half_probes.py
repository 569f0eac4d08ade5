"""The operations that are timed in half precision: a few shapes of every class, small ones first."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from typing import final

import torch
from torch import Tensor
from torch.nn import functional as F

from dynaxx.plan.ops import Shape
from dynaxx.plan.time.features import group_of, is_alone, point_of
from dynaxx.plan.time.probes import CONV, MOVING, Probe

SIDES = ((16, 16, 8, 4), (64, 64, 16, 2), (32, 64, 8, 2), (128, 128, 8, 4), (64, 64, 32, 2), (256, 256, 16, 1))
"""Channels in and out, sites along each of two axes, and the batch."""
CONVOLUTIONS = ((2, 3, 1, 0), (2, 3, 1, 1), (2, 3, 2, 0), (2, 1, 1, 0), (2, 1, 1, 1), (1, 3, 1, 0), (3, 3, 1, 0))
"""Axes, kernel, stride, channels last."""
ALONE = ((16, 16, 8), (32, 32, 16), (8, 16, 16), (16, 64, 32), (64, 32, 16))
"""Channels in and out, and sites along each of two axes, of single small samples."""
LAYOUTS = (0, 1)
"""Of these: channels first, and last."""
PRODUCTS = (
    (64, 64, 77), (64, 256, 1), (256, 256, 64), (32, 32, 256), (16, 64, 1), (128, 128, 77), (64, 256, 1024),
    (256, 1024, 1), (64, 256, 64), (512, 512, 256), (320, 320, 1024),
)  # fmt: skip
"""Columns in and out, and rows: a layer's weights lie as networks hold them."""
ATTENTIONS = ((16, 64, 64), (32, 256, 16), (16, 256, 256), (64, 256, 256), (32, 1024, 77), (32, 1024, 1024))
"""The width of a head, and the rows of queries and keys; four heads."""
NUMBERS = (2**12, 2**16, 2**14, 2**20)
"""Of what is moved."""


def half_probes(device: torch.device, dtype: torch.dtype) -> Iterator[Probe]:
    """Every group's first probe, then every group's second: a budget cuts all groups alike."""
    made = _Made(device, dtype)
    groups = [*map(made.convolutions, CONVOLUTIONS), made.products(), made.attentions(), *map(made.moved, MOVING)]
    if device.type == "cpu":
        groups += map(made.alone, LAYOUTS)
    for turn in zip_longest(*groups):
        yield from (probe for probe in turn if probe)


@final
class _Made:
    """Makes probes for one device in one number format, when they are asked for."""

    def __init__(self, device: torch.device, dtype: torch.dtype) -> None:
        self.device, self.dtype = device, dtype

    def convolutions(self, kind: tuple[int, int, int, int]) -> Iterator[Probe]:
        """Of one number of axes, kernel, stride and layout."""
        axes, kernel, stride, last = kind
        for inward, outward, side, batch in SIDES:
            sites = {1: side * side, 2: side, 3: round(side ** (2 / 3))}[axes]
            yield self._convolution((axes, inward, outward, kernel, stride, last), sites, batch)

    def alone(self, last: int) -> Iterator[Probe]:
        """Of single small samples in one layout."""
        for inward, outward, side in ALONE:
            yield self._convolution((2, inward, outward, 3, 1, last), side, 1)

    def _convolution(self, shape: Shape, side: int, batch: int) -> Probe:
        axes, inward, outward, kernel, stride, last = shape
        x, weight = self._drawn(batch, inward, *[side] * axes), self._drawn(outward, inward, *[kernel] * axes)
        if last:
            x, weight = (v.to(memory_format=torch.channels_last) for v in (x, weight))
        steps, out = ([stride] * axes, [kernel // 2] * axes), -(-side // stride)
        flops = 2.0 * inward * outward * kernel**axes * batch * out**axes
        kind, bias = "conv1" if kernel == 1 and stride == 1 else "conv", self._drawn(outward)
        alone = self.device.type == "cpu" and is_alone(kind, shape, flops, batch)
        point = point_of(kind, shape, flops, 0, alone=alone)
        return group_of(kind, shape, alone=alone), point, partial(CONV[axes], x, weight, bias, *steps)

    def products(self) -> Iterator[Probe]:
        """Layers."""
        for inward, outward, rows in PRODUCTS:
            x, weight, bias = self._drawn(rows, inward), self._drawn(outward, inward), self._drawn(outward)
            point = point_of("mm", (inward, outward), 2.0 * rows * inward * outward, 0)
            yield "mm", point, partial(F.linear, x, weight, bias)

    def attentions(self) -> Iterator[Probe]:
        """Of four heads."""
        for width, rows, keys in ATTENTIONS:
            query, key = self._drawn(1, 4, rows, width), self._drawn(1, 4, keys, width)
            flops, moved = 4.0 * 4 * rows * keys * width, 2.0 * self.dtype.itemsize * 4 * width * (rows + keys)
            work = partial(F.scaled_dot_product_attention, query, key, key)
            yield "attention", point_of("attention", (width,), flops, moved), work

    def moved(self, kind: str) -> Iterator[Probe]:
        """Of one class of operations that move bytes."""
        work, times = MOVING[kind]
        for numbers in NUMBERS:
            x = self._drawn(8, 8, numbers // 64)
            yield kind, point_of(kind, (), 0, times * x.numel() * x.itemsize), partial(work, x)

    def _drawn(self, *shape: int) -> Tensor:
        return torch.randn(shape, device=self.device).to(self.dtype)
