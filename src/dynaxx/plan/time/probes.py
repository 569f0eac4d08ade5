"""The operations that are timed once on a machine: every class of them, over the widths and sizes of networks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from dynaxx.plan.ops import Shape
from dynaxx.plan.time.features import Point, group_of, is_alone, point_of

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
WIDTHS = (4, 8, 16, 32, 64, 128, 256, 512)
MOST_FLOPS = 4e8
"""Of a probe: a few dozen milliseconds on one core."""
Probe = tuple[str, Point, Callable[[], object]]
"""A group, the coordinates, and the operation."""


def probes(device: torch.device, seed: int = 0) -> Iterator[Probe]:
    """All probes, those of every group spread over widths and sizes."""
    rng = random.Random(seed)
    for axes, kernel, stride, last, count in CONVOLUTIONS:
        for _ in range(count):
            yield from _convolution(rng, device, axes, kernel, stride, last)
    if device.type == "cpu":
        for axes, stride, last, count in ALONE:
            for _ in range(count):
                yield from _convolution(rng, device, axes, 3, stride, last, alone=True)
    for _ in range(24):
        yield from _product(rng, device)
    for _ in range(16):
        yield from _attention(rng, device)
    for kind, work in MOVING.items():
        for size in (2**11, 2**14, 2**17, 2**20, 2**22):
            x = torch.randn(8, 8, size // 64, device=device)
            moved = work[1] * x.numel() * 4
            yield kind, point_of(kind, (), 0, moved), partial(work[0], x)


CONVOLUTIONS = (
    (2, 3, 1, 0, 28), (2, 3, 1, 1, 20), (2, 3, 2, 0, 10), (2, 3, 2, 1, 8), (2, 1, 1, 0, 12), (2, 1, 1, 1, 10),
    (1, 3, 1, 0, 12), (1, 3, 2, 0, 6), (1, 1, 1, 0, 6), (3, 3, 1, 0, 12), (3, 3, 2, 0, 6), (3, 1, 1, 0, 6),
)  # fmt: skip
"""Axes, kernel, stride, channels last, and how many shapes."""
ALONE = ((2, 1, 0, 10), (2, 1, 1, 6), (2, 2, 0, 4), (1, 1, 0, 6), (3, 1, 0, 8), (3, 2, 0, 4))
"""Axes, stride, channels last, and how many shapes of a single small sample."""
MOVING: dict[str, tuple[Callable[[Tensor], object], int]] = {
    "pointwise": (lambda x: x + x, 3),
    "silu": (F.silu, 2),
    "norm": (lambda x: F.group_norm(x, 8), 2),
    "copy": (lambda x: torch.cat([x, x], dim=1), 4),
    "resize": (lambda x: F.interpolate(x, scale_factor=2.0), 3),
    "sum": (lambda x: x.sum(dim=(0, 2)), 1),
    "fill": (lambda x: torch.zeros_like(x), 1),
}
"""Operations that move bytes: one of each class, and how many times its input's bytes it moves."""


def _convolution(
    rng: random.Random, device: torch.device, axes: int, kernel: int, stride: int, last: int, *, alone: bool = False
) -> Iterator[Probe]:
    """Forward and backward of one shape."""
    while True:
        widths, batch = (WIDTHS[1:-1], 1) if alone else (WIDTHS, rng.choice((1, 2, 4, 8, 16)))
        inward, outward = rng.choice(widths), rng.choice(widths)
        side = rng.choice({1: (64, 256, 1024), 2: (8, 16, 32, 64), 3: (4, 8, 16)}[axes])
        flops = 2.0 * inward * outward * kernel**axes * batch * side**axes / stride**axes
        kind = "conv1" if kernel == 1 and stride == 1 else "conv"
        shape: Shape = (axes, inward, outward, kernel, stride, last)
        if 1e5 < flops < MOST_FLOPS and is_alone(kind, shape, flops, batch) == alone:
            break
    x = torch.randn(batch, inward, *[side] * axes, device=device)
    weight = torch.randn(outward, inward, *[kernel] * axes, device=device)
    if last:
        x, weight = (v.to(memory_format=torch.channels_last) for v in (x, weight))
    bias, steps = torch.zeros(outward, device=device), ([stride] * axes, [kernel // 2] * axes)
    y = CONV[axes](x, weight, bias, *steps)
    back = torch.ops.aten.convolution_backward
    given = (y, x, weight, [outward], *steps, [1] * axes, False, [0] * axes, 1, [True, True, True])
    groups = (group_of(name, shape, alone=alone) for name in (kind, f"{kind}_back"))
    yield next(groups), point_of(kind, shape, flops, 0), partial(CONV[axes], x, weight, bias, *steps)
    yield next(groups), point_of(f"{kind}_back", shape, 2 * flops, 0), partial(back, *given)


def _product(rng: random.Random, device: torch.device) -> Iterator[Probe]:
    inward, outward = rng.choice(WIDTHS), rng.choice(WIDTHS)
    rows = rng.choice((1, 4, 16, 64, 256, 1024, 4096))
    a, b = torch.randn(rows, inward, device=device), torch.randn(inward, outward, device=device)
    yield "mm", point_of("mm", (inward, outward), 2.0 * rows * inward * outward, 0), partial(torch.mm, a, b)


def _attention(rng: random.Random, device: torch.device) -> Iterator[Probe]:
    batch, heads, rows = rng.choice((1, 2, 4)), rng.choice((1, 2, 4)), rng.choice((16, 64, 256, 1024))
    keys, width = rng.choice((16, rows)), rng.choice((16, 32, 64))
    query, key = (torch.randn(batch, heads, n, width, device=device) for n in (rows, keys))
    flops, moved = 4.0 * batch * heads * rows * keys * width, 8.0 * batch * heads * width * (rows + keys)
    forward = partial(F.scaled_dot_product_attention, query, key, key)
    yield "attention", point_of("attention", (width,), flops, moved), forward
    if device.type == "cpu":
        kernel = torch.ops.aten
        out, sums = kernel._scaled_dot_product_flash_attention_for_cpu(query, key, key)
        back = kernel._scaled_dot_product_flash_attention_for_cpu_backward
        work = partial(back, query, query, key, key, out, sums, 0.0, False)
        yield "attention_back", point_of("attention_back", (width,), 2.5 * flops, 2 * moved), work
