"""What an operation's speed depends on, as a few logarithms: the coordinates in which probes are interpolated."""

from __future__ import annotations

import math

from dynaxx.plan.ops import Shape
from dynaxx.plan.workspace import FEW_CHANNELS, block

Point = tuple[float, ...]
SHAPED = ("conv", "conv1", "conv_back", "conv1_back", "mm", "attention", "attention_back")
"""Classes that compute; the others move bytes."""
NATIVE = 20480
"""A single sample of no more numbers than this torch convolves by a kernel of its own on CPUs, not by oneDNN's."""
BOTH = 2
"""Gradients that a backward convolution gives: of its input and of its weights."""


def group_of(kind: str, shape: Shape, *, alone: bool = False) -> str:
    """The operations that are interpolated among each other: one class, one number of axes, one layout, one kernel."""
    if not kind.startswith("conv"):
        return kind
    axes, _, _, kernel, stride, last = shape[:6]
    ends = ("-last" if last else "") + ("-alone" if alone else "")
    return f"{kind}-{axes}d-{min(kernel, 3)}-{min(stride, 2)}{ends}"


def is_alone(kind: str, shape: Shape, flops: float, batch: int) -> bool:
    """Whether a convolution is given one small sample: channels times its first two axes, as torch counts it."""
    if not kind.startswith("conv") or shape[3] == 1 or batch * (shape[6] if len(shape) > 6 else 1) > 1:
        return False
    axes, inward, outward, kernel, stride = shape[:5]
    times = BOTH if kind.endswith("_back") else 1
    sites = flops / (times * 2 * inward * outward * kernel**axes) * stride**axes
    return inward * sites ** (min(axes, 2) / axes) <= NATIVE


def weights_of(kind: str, shape: Shape) -> int:
    """The weights that an operation reads."""
    if kind.startswith("conv"):
        axes, inward, outward, kernel = shape[:4]
        return inward * outward * kernel**axes
    return shape[0] * shape[1] if kind == "mm" else 0


def point_of(kind: str, shape: Shape, flops: float, moved: float, *, alone: bool = False) -> Point:
    """The coordinates of one operation: logarithms of widths and rows, or of bytes alone.

    oneDNN's convolutions take channels in whole vector registers; torch's own, of samples alone, as many as there are.
    """
    if kind not in SHAPED or flops <= 0:
        return (math.log(max(moved, 1.0)),)
    if kind.startswith("attention"):
        return math.log(shape[0]), math.log(flops / moved), math.log(moved / shape[0])
    conv = kind.startswith("conv")
    first, second = shape[1:3] if conv else shape[:2]
    rows = flops / (2 * first * second)
    if conv and not alone:
        first, second = _whole(first), _whole(second)
    return math.log(first), math.log(second), math.log(rows)


def _whole(channels: int) -> int:
    """Channels as vector registers take them, whole ones; few channels are read as they lie."""
    return channels if channels < FEW_CHANNELS else -(-channels // block()) * block()
