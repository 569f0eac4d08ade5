"""What an operation's speed depends on, as a few logarithms: the coordinates in which probes are interpolated."""

from __future__ import annotations

import math

from dynaxx.plan.ops import Shape

Point = tuple[float, ...]
SHAPED = ("conv", "conv1", "conv_back", "conv1_back", "mm", "attention", "attention_back")
"""Classes that compute; the others move bytes."""


def group_of(kind: str, shape: Shape) -> str:
    """The operations that are interpolated among each other: one class, one number of axes, one layout."""
    if not kind.startswith("conv"):
        return kind
    axes, _, _, kernel, stride, last = shape
    return f"{kind}-{axes}d-{min(kernel, 3)}-{min(stride, 2)}{'-last' if last else ''}"


def point_of(kind: str, shape: Shape, flops: float, moved: float) -> Point:
    """The coordinates of one operation: logarithms of widths and rows, or of bytes alone."""
    if kind not in SHAPED or flops <= 0:
        return (math.log(max(moved, 1.0)),)
    if kind.startswith("attention"):
        return math.log(shape[0]), math.log(flops / moved), math.log(moved / shape[0])
    first, second = (shape[1], shape[2]) if kind.startswith("conv") else (shape[0], shape[1])
    return math.log(first), math.log(second), math.log(flops / (2 * first * second))
