"""Radial frequency bands and power spectra, on one to three axes.

The frequency of a mode is a share of Nyquist: |k| on each axis divided by n / 2, and the root of the sum of squares
over the axes. Along one axis it ends at 1; the corners of two and three axes lie beyond, up to the root of the rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.signal.device import double_on


def radial_frequency(size: Sequence[int], *, device: torch.device | None = None) -> Tensor:
    """The frequency of every mode of `fftn` as a share of Nyquist, float64 of shape `size`.

    It lies on the CPU where the device has no float64.
    """
    where = None if device is None else double_on(device)
    square = torch.zeros(tuple(size), dtype=torch.float64, device=where)
    for axis, n in enumerate(size):
        k = 2 * torch.fft.fftfreq(n, dtype=torch.float64, device=where)
        square = square + (k**2).reshape([-1 if i == axis else 1 for i in range(len(size))])
    return square.sqrt()


def band_masks(size: Sequence[int], edges: Sequence[float], *, device: torch.device | None = None) -> Tensor:
    """Which modes belong to each of `len(edges) + 1` bands: bool of shape `(bands, *size)`.

    Band 0 holds the modes below `edges[0]`, band i those in [edges[i - 1], edges[i]), the last all above.
    """
    if any(not a < b for a, b in zip([-1.0, *edges], edges, strict=False)):
        raise UsageError("edges", f"must rise, but got {tuple(edges)}.")
    frequency = radial_frequency(size, device=device)
    at = torch.tensor(list(edges), dtype=torch.float64, device=frequency.device)
    band = torch.bucketize(frequency, at, right=True).to(device)
    return torch.stack([band == i for i in range(len(edges) + 1)])


def band_split(x: Tensor, edges: Sequence[float]) -> Tensor:
    """`x` of shape `(B, C, *size)` as parts by band, `(bands, B, C, *size)`, which sum to x."""
    axes = tuple(range(2, x.ndim))
    modes = torch.fft.fftn(x.to(torch.promote_types(x.dtype, torch.float32)), dim=axes)
    masks = band_masks(x.shape[2:], edges, device=x.device)
    return torch.stack([torch.fft.ifftn(modes * mask, dim=axes).real for mask in masks]).to(x.dtype)


def power_spectrum(x: Tensor, edges: Sequence[float]) -> Tensor:
    """The mean power per site in each band, `(B, C, bands)`: the sum over bands is the mean of x^2 (Parseval)."""
    axes = tuple(range(2, x.ndim))
    power = torch.fft.fftn(x, dim=axes).abs() ** 2 / x[0, 0].numel() ** 2
    masks = band_masks(x.shape[2:], edges, device=x.device)
    return torch.stack([(power * mask).sum(dim=axes) for mask in masks], dim=-1)


def mode_power(x: Tensor, edges: Sequence[float]) -> Tensor:
    """The mean power of a band's modes in orthonormal units, `(B, C, bands)`: white noise of std s has s^2 in each.

    Empty bands hold nan.
    """
    count = band_masks(x.shape[2:], edges, device=x.device).flatten(1).sum(dim=1)
    return power_spectrum(x, edges) * x[0, 0].numel() / count
