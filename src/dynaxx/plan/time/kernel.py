"""How far one network tells of others, along each of its coordinates: chosen by how well it tells those left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np

from dynaxx.plan.time.smooth import Numbers, likeness

USUAL = (1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 1.0, 1.5, 1.5)
"""Reaches to begin with, in units of the coordinates of networks."""
TIMES = (0.7, 1.0, 1.4, 2.0)
"""All of them are tried so many times as long."""
EACH = (0.5, 2.0, 4.0)
"""Then each alone."""
NOISES = tuple(i / 10 for i in range(1, 11))
"""Shares of the variance that no coordinate explains."""
BETTER = 0.5
"""A reach is changed where networks left out become likelier by a factor of exp(this), not for less."""
LEAST, MOST = 0.2, 8.0
"""Bounds of a reach, in units of the usual one."""


@final
@dataclass(frozen=True)
class Kernel:
    """The covariance of two networks over their variance: `(1 - noise) exp(-|x - y|^2 / 2)`, x and y over the reaches.

    (Rasmussen and Williams 2006, eq. 5.1.)
    """

    reaches: tuple[float, ...] = USUAL
    noise: float = 0.5

    def between(self, some: Numbers, others: Numbers) -> Numbers:
        """Covariances of networks at `(n, d)` and at `(m, d)`, `(n, m)`."""
        return (1 - self.noise) * likeness(some / self.reaches, others / self.reaches)

    def inverse(self, points: Numbers) -> Numbers:
        """The inverse of the covariance of networks that were timed, noise included."""
        return np.asarray(np.linalg.inv(self.between(points, points) + self.noise * np.eye(len(points))))

    def log_density(self, points: Numbers, rests: Numbers) -> float:
        """Of every residual, of variance 1, told from the others (Rasmussen and Williams 2006, eq. 5.10 to 5.12)."""
        inverse = self.inverse(points)
        variance = 1 / np.diag(inverse)
        missed = (inverse @ rests) * variance
        return float(-0.5 * (np.log(variance) + missed**2 / variance).sum())

    def to_json(self) -> dict[str, Any]:
        """The kernel as plain data."""
        return {"reaches": list(self.reaches), "noise": self.noise}


def chosen(points: Numbers, rests: Numbers) -> Kernel:
    """The kernel under which networks left out are likeliest: first all reaches together, then each twice over."""
    best, found = max((_noisy(_scaled(times), points, rests) for times in TIMES), key=lambda each: each[0])
    for i in [*range(len(USUAL))] * 2:
        for other in _changed(found, i):
            density, tried = _noisy(other, points, rests)
            if density > best + BETTER:
                best, found = density, tried
    return found


def _scaled(times: float) -> Kernel:
    return Kernel(tuple(times * reach for reach in USUAL))


def _changed(kernel: Kernel, i: int) -> Iterator[Kernel]:
    """One reach changed, as far as it may."""
    for times in EACH:
        reaches = list(kernel.reaches)
        reaches[i] *= times
        if LEAST <= reaches[i] / USUAL[i] <= MOST:
            yield replace(kernel, reaches=tuple(reaches))


def _noisy(kernel: Kernel, points: Numbers, rests: Numbers) -> tuple[float, Kernel]:
    """The kernel with the likeliest share of noise, and its density."""
    several = [replace(kernel, noise=noise) for noise in NOISES]
    return max(((one.log_density(points, rests), one) for one in several), key=lambda each: each[0])
