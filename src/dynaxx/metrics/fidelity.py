"""How near a signal is to the one it should be, site by site."""

from __future__ import annotations

from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.signal.device import double

RANGE = 2.0
"""Signals lie in [-1, 1]."""


def mse(x: Tensor, y: Tensor) -> Tensor:
    """The mean squared difference of each sample, `(B, C, *size)` -> float64 `(B,)`."""
    check_pair(x, y)
    return (double(x) - double(y)).square().flatten(1).mean(dim=1)


def psnr(x: Tensor, y: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each sample in dB: `10 log10(2^2 / mse)`, infinite where both are equal."""
    return 10 * (RANGE**2 / mse(x, y)).log10()


def check_pair(x: Tensor, y: Tensor) -> None:
    """Refuse two batches that are not of one shape `(B, C, *size)` with one to three axes."""
    if x.shape != y.shape or not 3 <= x.ndim <= 5:
        got = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise UsageError("metric", f"expects two batches of one shape (B, C, *size), but got {got}.")


def check_rows(a: Tensor, b: Tensor) -> None:
    """Refuse two sets of rows that are not of one shape `(B, D)`."""
    if a.shape != b.shape or a.ndim != 2:
        got = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise UsageError("metric", f"expects two sets of rows (B, D) of one shape, but got {got}.")
