"""The built-in features: no download, no training, the same on one to three axes, and the same everywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import final

import torch
from torch import Tensor

from dynaxx.metrics.features import BATCH
from dynaxx.metrics.spectrum import octaves
from dynaxx.signal.bands import mode_power
from dynaxx.signal.device import double
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample

CELLS = {1: 16, 2: 4, 3: 3}
"""Cells an axis by the number of axes, in which places are told apart."""
WIDTHS = (24, 48)
QUIET = 1e-5
"""Power below which bands are taken for empty: about the rounding of 8-bit pictures."""
OPPONENT = (
    (1 / math.sqrt(3), 1 / math.sqrt(3), 1 / math.sqrt(3)),
    (1 / math.sqrt(2), -1 / math.sqrt(2), 0.0),
    (1 / math.sqrt(6), 1 / math.sqrt(6), -2 / math.sqrt(6)),
)


@final
@dataclass(frozen=True)
class Builtin:
    """Four views of a signal, side by side.

    Where it is what colour (a thumbnail), how much power each octave holds (in logarithm), where edges run which way
    (the structure tensor, by cells), and fixed random convolutions on two scales (their mean and spread). Three
    channels are seen as brightness and two opponent colours. Computed in float64 on the CPU, whatever x lies on.
    """

    batch_size: int = BATCH

    @property
    def name(self) -> str:
        """What tells these features from others."""
        return "builtin-1"

    def __call__(self, x: Tensor) -> Tensor:
        """The features of each sample, float32 `(B, D)`."""
        return torch.cat([_views(part.cpu()) for part in x.detach().split(self.batch_size)]).float()


def _views(x: Tensor) -> Tensor:
    seen = _opponent(double(x))
    views = (_thumbnail(seen), _octaves(seen), _edges(seen), _convolutions(seen))
    return torch.cat([view.flatten(1) for view in views], dim=1)


def _opponent(x: Tensor) -> Tensor:
    """Three channels on an orthonormal basis of brightness, red against green, both against blue."""
    if x.shape[1] != 3:
        return x
    return torch.einsum("ij,bj...->bi...", torch.tensor(OPPONENT, dtype=x.dtype, device=x.device), x)


def _thumbnail(x: Tensor) -> Tensor:
    return resample(x, _cells(x), "area")


def _octaves(x: Tensor) -> Tensor:
    power = mode_power(x, octaves(x.shape[2:]))
    return (power + QUIET).log()


def _edges(x: Tensor) -> Tensor:
    """The products of slopes along two axes, the mean over each cell, on the scale of a slope."""
    slopes = [(x.roll(-1, dims=dim) - x.roll(1, dims=dim)) / 2 for dim in range(2, x.ndim)]
    pairs = combinations_with_replacement(slopes, 2)
    products = torch.cat([(a * b).mean(dim=1, keepdim=True) for a, b in pairs], dim=1)
    pooled = resample(products, _cells(x), "area")
    return pooled.sign() * pooled.abs().sqrt()


def _convolutions(x: Tensor) -> Tensor:
    """Mean and spread over sites of two layers of rectified random filters, the second on half the grid."""
    found, rank = [], x.ndim - 2
    for layer, width in enumerate(WIDTHS):
        filters = _filters(layer, width, x.shape[1], rank).to(x.device)
        x = _convolve(x, filters).relu()
        found += [x.flatten(2).mean(dim=2), x.flatten(2).std(dim=2, correction=0)]
        x = resample(x, [max(1, side // 2) for side in x.shape[2:]], "area")
    return torch.cat(found, dim=1)


def _convolve(x: Tensor, filters: Tensor) -> Tensor:
    rank = x.ndim - 2
    padded = torch.nn.functional.pad(x, (1, 1) * rank, mode="replicate")
    convolve = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[rank - 1]
    return convolve(padded, filters)


@lru_cache(maxsize=32)
def _filters(layer: int, width: int, channels: int, rank: int) -> Tensor:
    """Random filters of 3 sites an axis, float64 `(width, channels, 3, ...)`, of norm 1."""
    with torch.inference_mode(False):
        draws = Draws(0, f"features/{layer}/{channels}/{rank}", tuple(range(width)))
        filters = draws.normal("filters", (channels, *([3] * rank)), dtype=torch.float64)
        return filters / filters.flatten(1).norm(dim=1).reshape(-1, *([1] * (rank + 1)))


def _cells(x: Tensor) -> list[int]:
    return [min(CELLS[x.ndim - 2], side) for side in x.shape[2:]]
