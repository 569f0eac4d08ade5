"""The number by which a network is told a level."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def told(std: float | Tensor) -> float | Tensor:
    """(2 / pi) atan(std), in [0, 1]: 0 where clean, 1 at pure noise, and t itself on the unshifted cosine process."""
    return (torch.atan(std) if isinstance(std, Tensor) else math.atan(std)) * (2 / math.pi)
