"""Faults that a low input may come with, each at a strength that can be seen: what restoration is measured on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from dynaxx.signal.blur import blur
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample

Corrupt = Callable[[Tensor, int], Tensor]
"""From signals `(n, C, *size)` and a seed to the corrupted ones."""


def blurred(x: Tensor, seed: int) -> Tensor:
    """Gaussian blur of one site."""
    return blur(x, 1.0)


def noised(x: Tensor, seed: int) -> Tensor:
    """White noise of std 0.1."""
    return x + 0.1 * Draws(seed, "lens", tuple(range(len(x)))).normal("corrupt", tuple(x.shape[1:])).to(x.dtype)


def compressed(x: Tensor, seed: int) -> Tensor:
    """Detail rounded coarsely by blocks of 4 sites, as compression does: deviations to multiples of 0.25."""
    small = [max(1, -(-n // 4)) for n in x.shape[2:]]
    mean = resample(resample(x, small, "area"), x.shape[2:], "nearest")
    return mean + (4 * (x - mean)).round() / 4


def cast(x: Tensor, seed: int) -> Tensor:
    """The first channel brighter by 0.15, the last darker."""
    shift = torch.linspace(0.15, -0.15, x.shape[1]) if x.shape[1] > 1 else torch.tensor([0.15])
    return x + shift.to(x.dtype).reshape(1, -1, *[1] * (x.ndim - 2))


def patched(x: Tensor, seed: int) -> Tensor:
    """A quarter of each axis is grey, in the middle."""
    changed = x.clone()
    window = tuple(slice(3 * n // 8, 3 * n // 8 + max(1, n // 4)) for n in x.shape[2:])
    changed[(slice(None), slice(None), *window)] = 0.0
    return changed


def warped(x: Tensor, seed: int) -> Tensor:
    """Stretched by one site along the last axis, about its first end."""
    n = x.shape[-1]
    position = torch.arange(n, dtype=x.dtype) * (n - 2) / max(n - 1, 1)
    left = position.floor().long().clamp(0, max(n - 2, 0))
    share = position - left
    return x[..., left] * (1 - share) + x[..., (left + 1).clamp(max=n - 1)] * share


def shifted(x: Tensor, seed: int) -> Tensor:
    """Moved by one site along the last axis, around the border."""
    return x.roll(1, -1)


CORRUPTIONS: Mapping[str, Corrupt] = {
    "blur": blurred,
    "noise": noised,
    "compression": compressed,
    "colour cast": cast,
    "missing patch": patched,
    "warp": warped,
    "shift": shifted,
}
