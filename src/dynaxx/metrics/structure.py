"""Structural similarity, on one scale and on several, over one to three axes."""

from __future__ import annotations

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.metrics.fidelity import RANGE, check_pair
from dynaxx.signal.device import double
from dynaxx.signal.resample import along

WINDOW, WIDTH = 11, 1.5
K1, K2 = 0.01, 0.03
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def ssim(x: Tensor, y: Tensor) -> Tensor:
    """SSIM of each sample (Wang et al., TIP 2004, equation 13): `(B, C, *size)` in [-1, 1] -> `(B,)`, at most 1.

    Gaussian window of width 1.5 on 11 sites an axis, K1 = 0.01, K2 = 0.03, the mean over windows that lie wholly
    inside and over channels. An axis shorter than 11 has the largest odd window that fits.
    """
    check_pair(x, y)
    luminance, contrast = _parts(double(x), double(y))
    return (luminance * contrast).flatten(1).mean(dim=1)


def ms_ssim(x: Tensor, y: Tensor) -> Tensor:
    """Multi-scale SSIM of each sample (Wang et al., Asilomar 2003, equation 7) -> float64 `(B,)`, in [0, 1].

    Five scales, each the mean over 2 sites an axis of the one before. A grid on which five do not fit (its shortest
    axis below 176) has as many as fit, at least one, with the paper's first weights scaled to sum 1.

    Raises:
        UsageError: where an axis is shorter than a window, 11 sites.
    """
    check_pair(x, y)
    if min(x.shape[2:]) < WINDOW:
        raise UsageError("ms_ssim", f"expects at least {WINDOW} sites an axis, but got {tuple(x.shape[2:])}.")
    x, y, terms = double(x), double(y), []
    weights = torch.tensor(SCALES[: scales(min(x.shape[2:]))], dtype=torch.float64, device=x.device)
    for scale in range(len(weights)):
        luminance, contrast = _parts(x, y)
        last = scale == len(weights) - 1
        terms.append((luminance * contrast if last else contrast).flatten(2).mean(dim=2).clamp(min=0))
        x, y = (x, y) if last else (_halved(x), _halved(y))
    powers = torch.stack(terms, dim=-1) ** (weights / weights.sum())
    return powers.prod(dim=-1).mean(dim=1)


def scales(side: int) -> int:
    """How many of the five scales fit on a shortest axis of `side` sites."""
    return max(1, sum(side >> scale >= WINDOW for scale in range(len(SCALES))))


def _parts(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The luminance term and the contrast-structure term at every window."""
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    mean_x, mean_y = _smooth(x), _smooth(y)
    var_x, var_y = _smooth(x * x) - mean_x**2, _smooth(y * y) - mean_y**2
    covariance = _smooth(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return luminance, (2 * covariance + c2) / (var_x + var_y + c2)


def _smooth(x: Tensor) -> Tensor:
    for dim in range(2, x.ndim):
        x = along(x, dim, _window(x.shape[dim]).to(x.device))
    return x


def _window(n: int) -> Tensor:
    """The matrix of an axis of n sites: one row per window that lies wholly inside."""
    taps = min(WINDOW, n - 1 + n % 2)
    at = torch.arange(taps, dtype=torch.float64) - (taps - 1) / 2
    weight = torch.exp(-0.5 * (at / WIDTH) ** 2)
    rows = torch.zeros(n - taps + 1, n, dtype=torch.float64)
    for row in range(len(rows)):
        rows[row, row : row + taps] = weight / weight.sum()
    return rows


def _halved(x: Tensor) -> Tensor:
    """The mean over two sites an axis; an odd last site is left out."""
    for dim in range(2, x.ndim):
        n = x.shape[dim] // 2 * 2
        x = x.narrow(dim, 0, n).unflatten(dim, (n // 2, 2)).mean(dim=dim + 1)
    return x
