"""An exact stage: stationary Gaussian data, for which denoiser, gains and errors are known in closed form.

In the orthonormal Fourier basis the modes of x are independent with variance P(k). The noisy state and every
input are observations `value = gain x + noise` of the same modes, so the posterior is one scalar Kalman update
per mode and observation. With the `fourier` kernel a low grid observes exactly the modes below its Nyquist.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor

from dynaxx.errors import RunError
from dynaxx.noise.denoiser import Condition, Input
from dynaxx.noise.level import Level
from dynaxx.signal.random import Draws
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import DenoisingStage, GaussianStage
from dynaxx.stage.denoise import run_denoiser, without_low
from dynaxx.stage.stage import Request


def frequencies(size: tuple[int, ...]) -> list[Tensor]:
    """Signed frequencies in cycles per extent, one tensor per axis, shaped to broadcast over the grid."""
    rank = len(size)
    return [
        (torch.fft.fftfreq(n, dtype=torch.float64) * n).reshape([-1 if axis == i else 1 for i in range(rank)])
        for axis, n in enumerate(size)
    ]


def in_band(size: tuple[int, ...], limits: Sequence[int | None]) -> Tensor:
    """Which modes of grid `size` lie below a grid's Nyquist: |k| < limit / 2 on every axis that has a limit."""
    inside = torch.ones(size, dtype=torch.bool)
    for k, limit in zip(frequencies(size), limits, strict=True):
        if limit is not None:
            inside = inside & (k.abs() < limit / 2)
    return inside


def coarser(size: tuple[int, ...], than: tuple[int, ...]) -> list[int | None]:
    """The sizes of the axes on which grid `size` is coarser than grid `than`: those lose modes."""
    return [n if n < m else None for n, m in zip(size, than, strict=True)]


def spectrum(spec: GaussianStage, size: tuple[int, ...]) -> Tensor:
    """P(k), the variance of each orthonormal mode on grid `size`: `(*size)`, float64.

    On the full grid P ~ (k0^2 + |k|^2)^(-exponent / 2) with mean std^2; a smaller grid holds the modes below
    its Nyquist, times N_low / N since values, not orthonormal coefficients, are kept.
    """
    full, here = _shape_of(spec, spec.size), _shape_of(spec, size)
    power = spec.std**2 * here / full.mean() * here.numel() / full.numel()
    return power * in_band(size, coarser(size, spec.size))


def _shape_of(spec: GaussianStage, size: tuple[int, ...]) -> Tensor:
    square = torch.zeros(size, dtype=torch.float64)
    for k in frequencies(size):
        square = square + k**2
    return (spec.knee**2 + square) ** (-spec.exponent / 2)


@dataclass(frozen=True)
class Belief:
    """Mean and variance of every mode of x, given what was observed so far."""

    mean: Tensor
    var: Tensor

    def observe(self, value: Tensor, gain: float | Tensor, noise: float | Tensor) -> Belief:
        """Update on `value = gain x + eps`, eps of variance `noise`; an observation without information is none."""
        evidence = self.var * gain * gain + noise
        kalman = torch.where(evidence > 0, self.var * gain / evidence.clamp_min(torch.finfo(evidence.dtype).tiny), 0.0)
        return Belief(self.mean + kalman * (value - gain * self.mean), (1 - kalman * gain) * self.var)


@final
@dataclass
class GaussianDenoiser:
    """E[x | x_t, inputs] for stationary Gaussian x on one grid; dtype and device follow x_t."""

    spec: GaussianStage
    grid: Grid
    _cache: dict[object, Tensor] = field(default_factory=dict)

    def __call__(self, x_t: Tensor, level: Level, inputs: Mapping[str, Input], condition: Condition) -> Tensor:
        """The posterior mean, `(B, C, *size)`."""
        prior = self._power(x_t)
        belief = Belief(torch.zeros_like(prior), prior)
        for given in inputs.values():
            belief = self._observe_input(belief, given, x_t)
        y = without_low(x_t, level, inputs)
        belief = belief.observe(self._modes(y - level.alpha * self.spec.mean), level.alpha, level.sigma**2)
        return self._inverse(belief.mean) + self.spec.mean

    def _observe_input(self, belief: Belief, given: Input, like: Tensor) -> Belief:
        size, source = self.grid.size, tuple(given.source.shape[2:])
        key = (source, like.dtype, like.device)
        if key not in self._cache:
            self._cache[key] = in_band(size, coarser(source, size)).to(like.dtype).to(like.device)
        band = self._cache[key]
        spread = self.grid.sites / given.source[0, 0].numel() if given.noise_at == "low" else 1.0
        for x in given.x.split(self.grid.channels, dim=1):  # a concat merge brings several copies
            value = self._modes(x / given.alpha - self.spec.mean) * band
            belief = belief.observe(value, band, given.std**2 * spread)
        return belief

    def _power(self, like: Tensor) -> Tensor:
        key = ("power", like.dtype, like.device)
        if key not in self._cache:
            self._cache[key] = spectrum(self.spec, self.grid.size).to(like.dtype).to(like.device)
        return self._cache[key]

    def _modes(self, x: Tensor) -> Tensor:
        return torch.fft.fftn(x, dim=tuple(range(2, x.ndim)), norm="ortho")

    def _inverse(self, modes: Tensor) -> Tensor:
        return torch.fft.ifftn(modes, dim=tuple(range(2, modes.ndim)), norm="ortho").real


@final
class Gaussian:
    """The stage: the exact denoiser walked by the ordinary solver."""

    def __init__(self, spec: GaussianStage) -> None:
        self.spec = spec

    def denoiser(self, grid: Grid) -> GaussianDenoiser:
        """The exact denoiser on `grid`."""
        return GaussianDenoiser(self.spec, grid)

    def run(self, request: Request) -> Tensor:
        """Sample: `(B, *grid.shape)`."""
        if any(bool(torch.as_tensor(given.blur).any()) for given in request.inputs.values()):
            raise RunError(self.spec.name, "a gaussian stage has no closed form for a blurred input.", "Drop `blur`.")
        assert isinstance(request.spec, DenoisingStage)
        return run_denoiser(request.spec, self.denoiser(request.grid), request)

    def to(self, device: torch.device) -> None:
        """Nothing to move: tables follow the state they are used on."""


def draw_signals(spec: GaussianStage, channels: int, draws: Draws) -> Tensor:
    """The data itself: signals `(B, channels, *spec.size)` of mean `spec.mean` whose modes have the variances P(k)."""
    white = draws.normal("signal", (channels, *spec.size), dtype=torch.float64)
    axes = tuple(range(2, white.ndim))
    modes = torch.fft.fftn(white, dim=axes, norm="ortho") * spectrum(spec, spec.size).sqrt()
    return (torch.fft.ifftn(modes, dim=axes, norm="ortho").real + spec.mean).float()
