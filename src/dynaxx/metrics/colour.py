"""Drift of colour and contrast between signals that should share both."""

from __future__ import annotations

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.signal.device import double

NOTICEABLE = 2.3
"""The difference in CIE Lab that is just noticed (Mahy et al., Color Research and Application 1994)."""
WHITE = (0.95047, 1.0, 1.08883)
TO_XYZ = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))


def channel_drift(x: Tensor, y: Tensor) -> Tensor:
    """Mean of x less mean of y, per channel: float64 `(B, C)`, on any number of axes, sizes may differ."""
    return double(x).flatten(2).mean(dim=2) - double(y).flatten(2).mean(dim=2)


def contrast_ratio(x: Tensor, y: Tensor) -> Tensor:
    """The std over sites of x over that of y, per sample, all channels together: float64 `(B,)`; 1 is healthy."""
    return _spread(x) / _spread(y)


def colour_drift(x: Tensor, y: Tensor) -> Tensor:
    """How far the mean colours of RGB signals lie apart, in CIE Lab (Delta E, 1976): float64 `(B,)`.

    2.3 is just noticed. The mean is taken in linear light, as the eye does from afar, so sizes may differ.
    """
    means = [_linear(signal).flatten(2).mean(dim=2) for signal in (x, y)]
    a, b = (_lab(mean) for mean in means)
    return (a - b).square().sum(dim=1).sqrt()


def lab(x: Tensor) -> Tensor:
    """Colours of sRGB signals `(B, 3, *size)` in [-1, 1] in CIE Lab (D65), float64: L in [0, 100]."""
    return _lab(_linear(x))


def _linear(x: Tensor) -> Tensor:
    """Undo sRGB's curve (IEC 61966-2-1), which is held at its ends."""
    if x.ndim < 3 or x.shape[1] != 3:
        raise UsageError("colour", f"expects three channels, but got a signal of shape {tuple(x.shape)}.")
    coded = (double(x) / 2 + 0.5).clamp(0, 1)
    return torch.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)


def _lab(light: Tensor) -> Tensor:
    """Linear RGB `(B, 3, ...)` to Lab (CIE 15)."""
    to_xyz = torch.tensor(TO_XYZ, dtype=torch.float64, device=light.device)
    white = torch.tensor(WHITE, dtype=torch.float64, device=light.device)
    relative = torch.einsum("ij,bj...->bi...", to_xyz / white[:, None], light)
    cube = torch.where(
        relative > (6 / 29) ** 3, relative.clamp(min=0) ** (1 / 3), relative * (29 / 6) ** 2 / 3 + 4 / 29
    )
    x, y, z = cube.unbind(dim=1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def _spread(x: Tensor) -> Tensor:
    centred = double(x) - double(x).flatten(2).mean(dim=2).reshape(*x.shape[:2], *([1] * (x.ndim - 2)))
    return centred.square().flatten(1).mean(dim=1).sqrt()
