"""How far a healthy stage may stray from its low input: as far as the noise on it hides the truth, and no further."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dynaxx.signal.blur import blur
from dynaxx.spec.graph import Node


def excused(node: Node, low: Tensor) -> float:
    """The mean square by which an exact stage's shrunk answer strays from the low input `(n, C, *size)`, at most.

        2 mean_k P(k) s^2 / (P(k) + s^2)

    P is the power of each mode over the low inputs, s the level of the noise on it, on the low grid. A sample of the
    posterior is twice as far from the truth as its mean, and no posterior mean is worse than the linear one (Wiener).
    """
    edge = node.inputs["low"].edge
    std = edge.level or 0.0
    if edge.noise is not None and edge.noise.at == "high" and edge.hand == "clean":
        std *= math.sqrt(min(1.0, low[0, 0].numel() / node.grid.sites))
    axes = tuple(range(2, low.ndim))
    centred = low.double() - low.double().mean(dim=0, keepdim=True)
    power = torch.fft.fftn(centred, dim=axes, norm="ortho").abs().square().mean(dim=(0, 1))
    hidden = power * std**2 / (power + std**2) if std else torch.zeros_like(power)
    lost = (low - blur(low, edge.blur_std)).double().square().mean() if edge.blur_std else 0.0
    return 2 * float(hidden.mean() + lost)
