"""Gaussian blur, a matrix per axis, the same on one, two and three axes."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.signal.resample import along

Border = Literal["reflect", "periodic"]


def blur(x: Tensor, std: float | Tensor, *, border: Border = "reflect") -> Tensor:
    """`x` of shape `(B, C, *size)` convolved with a Gaussian of width `std` in sites; std 0 gives x itself.

    `reflect` mirrors the signal at its outer edges (the edge site is repeated), `periodic` wraps it around. Both keep
    constants and sums. A tensor `(B, 1, ...)` gives every sample a width of its own.
    """
    if isinstance(std, Tensor):
        return _each(x, std.flatten().tolist(), border)
    if not 0 <= std < math.inf:
        raise UsageError("blur", f"expects a finite width in sites of at least 0, but got {std}.")
    if not std:
        return x
    for dim in range(2, x.ndim):
        x = along(x, dim, blur_matrix(x.shape[dim], float(std), border).to(x.dtype).to(x.device))
    return x


def _each(x: Tensor, stds: list[float], border: Border) -> Tensor:
    """Samples of one width are blurred together."""
    blurred = torch.empty_like(x)
    for std in set(stds):
        rows = [row for row, other in enumerate(stds) if other == std]
        blurred[rows] = blur(x[rows], std, border=border)
    return blurred


@lru_cache(maxsize=256)
def blur_matrix(n: int, std: float, border: Border) -> Tensor:
    """The float64 matrix `(n, n)`: a Gaussian of 6 std each way, folded back at the border; rows sum to 1."""
    reach = int(6 * std) + 1
    with torch.inference_mode(False):  # what is kept must also serve where gradients are wanted
        return _folded(n, std, reach, border)


def _folded(n: int, std: float, reach: int, border: Border) -> Tensor:
    offset = torch.arange(-reach, reach + 1)
    weight = torch.exp(-0.5 * (offset.double() / std) ** 2)
    source = torch.arange(n)[:, None] + offset[None, :]
    if border == "reflect":
        source = source % (2 * n)
        source = torch.where(source < n, source, 2 * n - 1 - source)
    rows = torch.zeros(n, n, dtype=torch.float64)
    return rows.scatter_add_(1, source % n, (weight / weight.sum()).expand(n, -1).contiguous())
