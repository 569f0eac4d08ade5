"""Resampling along each axis by a matrix, the same on one, two and three axes.

The kernels reproduce what published cascades use: `nearest`, `area`, `bilinear`, `bilinear-corners` and `bicubic` as in
torch, `bilinear-antialias`, `bicubic-antialias` and `lanczos` as in Pillow (the first two also in torch). `fourier` is
the ideal periodic low-pass, for exactness.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor

from dynaxx.errors import UsageError


def resample(x: Tensor, size: Sequence[int], kernels: str | Sequence[str]) -> Tensor:
    """`x` of shape `(B, C, *n)` on a grid of `size`, with one kernel for all axes or one per axis."""
    rank = x.ndim - 2
    names = (kernels,) * rank if isinstance(kernels, str) else tuple(kernels)
    if not 1 <= rank <= 3 or len(size) != rank or len(names) != rank:
        got = f"a signal of shape {tuple(x.shape)}, size {tuple(size)}, kernels {names}"
        raise UsageError("resample", f"expects (B, C, *size) with a size and a kernel per axis, but got {got}.")
    if not x.is_floating_point() or min(size) < 1:
        raise UsageError(
            "resample", f"cannot bring {x.dtype} to size {tuple(size)}.", "Give floats, and sizes above 0."
        )
    # axes that shrink come first, so that the others have less to do
    for axis in sorted(range(rank), key=lambda i: size[i] / x.shape[2 + i]):
        if x.shape[2 + axis] != size[axis]:
            x = along(x, 2 + axis, _placed(x.shape[2 + axis], size[axis], names[axis], x.dtype, x.device))
    return x


def along(x: Tensor, dim: int, weights: Tensor) -> Tensor:
    """`weights` of shape `(n_out, n_in)` applied along dimension `dim` of x."""
    if dim == x.ndim - 1:
        return x @ weights.T
    flat = x.reshape(math.prod(x.shape[:dim]), x.shape[dim], -1)
    return (weights @ flat).reshape(*x.shape[:dim], weights.shape[0], *x.shape[dim + 1 :])


@lru_cache(maxsize=256)
def _placed(n_in: int, n_out: int, kernel: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    with torch.inference_mode(False):  # what is kept must also serve where gradients are wanted
        return matrix(n_in, n_out, kernel).to(dtype).to(device)


@lru_cache(maxsize=256)
def matrix(n_in: int, n_out: int, kernel: str) -> Tensor:
    """The float64 matrix `(n_out, n_in)` that resamples an axis; rows sum to 1, the identity at equal sizes."""
    if kernel not in KERNELS:
        raise UsageError("resize", f"unknown kernel '{kernel}'.", f"Choose one of {', '.join(KERNELS)}.")
    with torch.inference_mode(False):
        return torch.eye(n_in, dtype=torch.float64) if n_in == n_out else KERNELS[kernel](n_in, n_out)


def _nearest(n_in: int, n_out: int) -> Tensor:
    """Output i takes input floor(i n_in / n_out)."""
    return _gather(torch.arange(n_out) * n_in // n_out, torch.ones(n_out, dtype=torch.float64), n_in)


def _area(n_in: int, n_out: int) -> Tensor:
    """Output i is the plain mean of the inputs that its extent touches (adaptive average pooling)."""
    i, j = torch.arange(n_out)[:, None], torch.arange(n_in)[None, :]
    inside = ((j >= i * n_in // n_out) & (j < -(-(i + 1) * n_in // n_out))).double()
    return inside / inside.sum(dim=1, keepdim=True)


def _bilinear(n_in: int, n_out: int) -> Tensor:
    return _linear_at(_centres(n_in, n_out).clamp(min=0), n_in)


def _bilinear_corners(n_in: int, n_out: int) -> Tensor:
    """The end sites of both grids coincide (align_corners)."""
    return _linear_at(torch.arange(n_out, dtype=torch.float64) * ((n_in - 1) / max(n_out - 1, 1)), n_in)


def _linear_at(position: Tensor, n_in: int) -> Tensor:
    left = position.floor()
    share = position - left
    return _gather(left, 1 - share, n_in) + _gather(left + 1, share, n_in)


def _bicubic(n_in: int, n_out: int) -> Tensor:
    """Keys' kernel with a = -0.75 on four sites, the border repeated; not antialiased."""
    position = _centres(n_in, n_out)
    left = position.floor()
    taps = (left + offset for offset in (-1, 0, 1, 2))
    return sum((_gather(tap, _cubic(position - tap, -0.75), n_in) for tap in taps), torch.zeros(()))


def _gather(index: Tensor, weight: Tensor, n_in: int) -> Tensor:
    """One-hot rows at `index`, held inside the grid, times `weight`."""
    return torch.nn.functional.one_hot(index.long().clamp(0, n_in - 1), n_in) * weight[:, None]


def _centres(n_in: int, n_out: int) -> Tensor:
    """Where the centres of the outputs lie, in input sites."""
    return (torch.arange(n_out, dtype=torch.float64) + 0.5) * (n_in / n_out) - 0.5


def _antialiased(kernel: Callable[[Tensor], Tensor]) -> Callable[[int, int], Tensor]:
    """A kernel stretched by n_in / n_out where that is above 1, cut at the border and normalised."""

    def weights(n_in: int, n_out: int) -> Tensor:
        distance = torch.arange(n_in, dtype=torch.float64)[None, :] - _centres(n_in, n_out)[:, None]
        rows = kernel(distance / max(n_in / n_out, 1.0))
        return rows / rows.sum(dim=1, keepdim=True)

    return weights


def _triangle(distance: Tensor) -> Tensor:
    return (1 - distance.abs()).clamp(min=0)


def _cubic(distance: Tensor, a: float = -0.5) -> Tensor:
    """Keys' cubic convolution (1981), zero from distance 2 on."""
    d = distance.abs()
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = a * (((d - 5) * d + 8) * d - 4)
    return torch.where(d < 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def _lanczos(distance: Tensor) -> Tensor:
    """sinc(d) sinc(d / 3), zero from distance 3 on."""
    window = torch.sinc(distance) * torch.sinc(distance / 3)
    return torch.where(distance.abs() < 3, window, torch.zeros_like(distance))


def _fourier(n_in: int, n_out: int) -> Tensor:
    """The trigonometric interpolant through the modes |k| < min(n_in, n_out) / 2, with site 0 on site 0.

    An even smaller grid's Nyquist mode is dropped: it has no phase there. So up-after-down is the exact orthogonal
    projection on those modes, and down-after-up the identity but for that one mode.
    """
    k = torch.arange(1, (min(n_in, n_out) + 1) // 2, dtype=torch.float64)
    # i n_in - j n_out over n_in n_out, reduced in integers: the phase is exact
    step = (torch.arange(n_out)[:, None] * n_in - torch.arange(n_in)[None, :] * n_out) % (n_in * n_out)
    phase = math.tau / (n_in * n_out) * step.double()
    return (1 + 2 * (phase[..., None] * k).cos().sum(dim=-1)) / n_in


KERNELS: dict[str, Callable[[int, int], Tensor]] = {
    "nearest": _nearest,
    "area": _area,
    "bilinear": _bilinear,
    "bilinear-antialias": _antialiased(_triangle),
    "bilinear-corners": _bilinear_corners,
    "bicubic": _bicubic,
    "bicubic-antialias": _antialiased(_cubic),
    "lanczos": _antialiased(_lanczos),
    "fourier": _fourier,
}
