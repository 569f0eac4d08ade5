"""Sets of Gaussian samples, and the distances between them in closed form."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def kernel_mean(d: int, width: float, var_a: float, var_b: float, shift2: float) -> float:
    """`E k(a, b)` for the Gaussian kernel, a ~ N(0, var_a I), b ~ N(m, var_b I) with |m|^2 = shift2."""
    total = width**2 + var_a + var_b
    return (width**2 / total) ** (d / 2) * math.exp(-shift2 / (2 * total))


def true_mmd2(d: int, width: float, *, var: float, shift2: float) -> float:
    """MMD^2 between N(m, var I) and N(0, I), |m|^2 = shift2."""
    own = kernel_mean(d, width, var, var, 0) + kernel_mean(d, width, 1, 1, 0)
    return own - 2 * kernel_mean(d, width, var, 1, shift2)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
