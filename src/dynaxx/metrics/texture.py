"""How much fine detail a signal holds: what over-smoothing takes away."""

from __future__ import annotations

import torch
from torch import Tensor

from dynaxx.signal.device import double
from dynaxx.signal.resample import along

WINDOW = 5


def sharpness(x: Tensor) -> Tensor:
    """The variance of the Laplacian over sites (Pech-Pacheco et al., ICPR 2000), all channels: float64 `(B,)`.

    The Laplacian is the sum of second differences over the axes, inside the signal only.
    """
    x = double(x)
    laplacian = x.new_zeros(())
    for dim in range(2, x.ndim):
        laplacian = laplacian + _inside(x.diff(n=2, dim=dim), x, dim)
    return laplacian.flatten(2).var(dim=2, correction=0).mean(dim=1)


def local_variance(x: Tensor, window: int = WINDOW) -> Tensor:
    """The variance within windows of `window` sites an axis, the mean over windows and channels: float64 `(B,)`."""
    mean = double(x)
    square = mean.square()
    for dim in range(2, x.ndim):
        box = _box(x.shape[dim], window).to(mean.device)
        mean, square = along(mean, dim, box), along(square, dim, box)
    return (square - mean**2).clamp(min=0).flatten(1).mean(dim=1)


def _inside(second: Tensor, x: Tensor, dim: int) -> Tensor:
    """Second differences along `dim`, cut to the sites that have neighbours along every axis."""
    for other in (axis for axis in range(2, x.ndim) if axis != dim):
        second = second.narrow(other, 1, x.shape[other] - 2)
    return second


def _box(n: int, window: int) -> Tensor:
    width = min(window, n)
    rows = torch.zeros(n - width + 1, n, dtype=torch.float64)
    for row in range(len(rows)):
        rows[row, row : row + width] = 1 / width
    return rows
