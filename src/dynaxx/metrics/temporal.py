"""What changes from frame to frame: flicker, and power in time."""

from __future__ import annotations

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.signal.device import double

CUTOFF = 0.5


def temporal_power(x: Tensor, cutoff: float = CUTOFF) -> Tensor:
    """Power per site at temporal frequencies of at least `cutoff`, a share of Nyquist: float64 `(B,)`.

    Time is the first axis of `(B, C, T, ...)`. With cutoff 0 it is the mean of x^2 (Parseval).
    """
    _check(x)
    frames = x.shape[2]
    power = torch.fft.fft(double(x), dim=2).abs().square() / frames**2
    fast = 2 * torch.fft.fftfreq(frames, dtype=torch.float64, device=power.device).abs() >= cutoff
    return _frames(power)[..., fast].sum(dim=2).mean(dim=1)


def flicker(x: Tensor) -> Tensor:
    """The root mean square of each frame's brightness against the mean of its neighbours: float64 `(B,)`.

    `(m_(t-1) - 2 m_t + m_(t+1)) / 2` of the frames' means m: a steady drift of brightness is no flicker.
    """
    _check(x)
    means = _frames(double(x))
    return (means.diff(n=2, dim=2) / 2).square().mean(dim=(1, 2)).sqrt()


def _frames(x: Tensor) -> Tensor:
    """The mean of each frame, `(B, C, T)`."""
    return x.reshape(*x.shape[:3], -1).mean(dim=3)


def _check(x: Tensor) -> None:
    if x.ndim < 3 or x.shape[2] < 3:
        problem = f"expects (B, C, T, ...) with at least 3 frames, but got {tuple(x.shape)}."
        raise UsageError("temporal metric", problem, "Give signals whose first axis is time.")
