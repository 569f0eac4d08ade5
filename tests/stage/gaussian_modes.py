"""The Gaussian cascade in numpy, mode by mode: an independent reference that shares no code with the stages.

Every deterministic solver is, for one mode of a Gaussian, an affine recursion in the state y and the mean M that
the inputs suggest. `gains` multiplies it out to `answer = g_noise * y(1) + g_mean * M`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def frequency(size):
    """|k|^2 in cycles per extent, `(*size)`."""
    grids = np.meshgrid(*[np.fft.fftfreq(n) * n for n in size], indexing="ij")
    return sum(g**2 for g in grids), grids


def power(spec, size):
    """P(k) on `size` of the data on `spec.size`, zero from the Nyquist of a reduced axis on."""
    full = (spec.knee**2 + frequency(spec.size)[0]) ** (-spec.exponent / 2)
    square, grids = frequency(size)
    here = (spec.knee**2 + square) ** (-spec.exponent / 2)
    keep = np.ones(size, bool)
    for g, n, n_full in zip(grids, size, spec.size, strict=True):
        keep &= (np.abs(g) < n / 2) if n < n_full else True
    return spec.std**2 * here / full.mean() * here.size / full.size * keep


def band(size, low):
    """Modes of `size` that a `low` grid holds."""
    _, grids = frequency(size)
    keep = np.ones(size, bool)
    for g, n, m in zip(grids, size, low, strict=True):
        keep &= (np.abs(g) < m / 2) if m < n else True
    return keep


@dataclass
class Affine:
    """noise * y(1) + mean * M, per mode."""

    noise: np.ndarray
    mean: np.ndarray
    __array_ufunc__ = None  # so that array * Affine comes to __rmul__ whole

    def __add__(self, other):
        return Affine(self.noise + other.noise, self.mean + other.mean)

    def __rmul__(self, factor):
        return Affine(factor * self.noise, factor * self.mean)


def estimate(state, var, level):
    """x_hat = M + K (y - alpha M), K = V alpha / (alpha^2 V + sigma^2)."""
    kalman = var * level.alpha / (level.alpha**2 * var + level.sigma**2)
    return kalman * state + Affine(np.zeros_like(var), 1 - kalman * level.alpha)


def ddim(here, there, state, var):
    x_hat = estimate(state, var, here)
    return there.alpha * x_hat + there.sigma / here.sigma * (state + (-here.alpha) * x_hat)


def gains(levels, var, kind):
    """The discrete gains of a whole walk: the product over its steps."""
    state = Affine(np.ones_like(var), np.zeros_like(var))
    before = None
    for here, there in zip(levels, levels[1:], strict=False):
        x_hat = estimate(state, var, here)
        if kind == "ddim" or there.sigma == 0:
            after = ddim(here, there, state, var)
        elif kind == "heun":
            after = heun(here, there, state, var)
        else:
            after = dpmpp_2m(here, there, state, x_hat, before)
        before, state = (here, x_hat), after
    return state


def heun(here, there, state, var):
    """The trapezoid rule on dy = x_hat dalpha + eps_hat dsigma."""

    def ends(y, level):
        x_hat = estimate(y, var, level)
        return x_hat, (1 / level.sigma) * (y + (-level.alpha) * x_hat)

    x_hat, eps = ends(state, here)
    x_ahead, eps_ahead = ends(ddim(here, there, state, var), there)
    signal, grain = (there.alpha - here.alpha) / 2, (there.sigma - here.sigma) / 2
    return state + signal * (x_hat + x_ahead) + grain * (eps + eps_ahead)


def dpmpp_2m(here, there, state, x_hat, before):
    """Algorithm 2 of arXiv 2211.01095, in lambda = ln(alpha / sigma)."""
    lam = lambda level: np.log(level.alpha / level.sigma) if level.alpha else -np.inf  # noqa: E731
    h = lam(there) - lam(here)
    blend = x_hat
    if before is not None and np.isfinite(lam(before[0])):
        r = (lam(here) - lam(before[0])) / h
        blend = (1 + 1 / (2 * r)) * x_hat + (-1 / (2 * r)) * before[1]
    return (there.sigma / here.sigma) * state + (there.alpha * (1 - np.exp(-h))) * blend


def place(modes, size):
    """Fourier resampling of unnormalised modes to another grid: values are kept, modes from the Nyquist on dropped."""
    low = modes.shape
    out = np.zeros(size, complex)
    _, grids = frequency(low)
    keep = np.ones(low, bool)
    for g, n, m in zip(grids, low, size, strict=True):
        keep &= np.abs(g) < min(n, m) / 2 if n != m else True
    index = tuple(g[keep].astype(int) % m for g, m in zip(grids, size, strict=True))
    out[index] = modes[keep]
    return out * np.prod(size) / np.prod(low)


@dataclass
class Observed:
    """Modes of an input on the stage's grid, the modes it holds, and the variance of its noise per mode."""

    modes: np.ndarray
    band: np.ndarray
    noise: float


def answer(prior, levels, kind, start, observed):
    """What a stage answers, as modes, to start noise (modes, unit variance) and observed inputs."""
    mean, var = np.zeros_like(start), prior
    for given in observed:
        with np.errstate(divide="ignore", invalid="ignore"):
            kalman = np.where(given.band & (var + given.noise > 0), var / (var + given.noise), 0.0)
        mean, var = mean + kalman * (given.modes - mean), var * (1 - kalman)
    gain = gains(levels, var, kind)
    return gain.noise * levels[0].sigma * start + gain.mean * mean
