"""How std grows with t, one curve per kind of process, as an undivided ratio `noise / signal`.

Undivided, since at t = 1 the signal may be gone. `ratio` takes a float or a tensor; `t_of_ratio` is its inverse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, final

import torch
from torch import Tensor

Pair = tuple[Any, Any]


def library(t: float | Tensor) -> ModuleType:
    """The module that has sin, cos, exp and so on for t: torch for tensors, math for numbers."""
    return torch if isinstance(t, Tensor) else math


def larger(value: Any, least: Any) -> Any:
    """The larger of the two, floats or tensors."""
    return value.clamp(min=least) if isinstance(value, Tensor) else max(value, least)


class Curve(Protocol):
    """`ratio(t) = (signal, noise)`, std = noise / signal increasing in t."""

    @property
    def clean(self) -> bool:
        """Whether no noise is left at t = 0."""

    def ratio(self, t: float | Tensor) -> Pair:
        """Signal and noise at t, up to a common factor; neither is negative."""

    def t_of_ratio(self, ratio: float) -> float:
        """The t at which noise / signal is `ratio`."""


@final
@dataclass(frozen=True)
class Cosine:
    """std = tan(pi t / 2)."""

    clean: bool = True

    def ratio(self, t: float | Tensor) -> Pair:
        """Cosine and sine; the cosine may round below 0 at t = 1."""
        angle = t * (math.pi / 2)
        return larger(library(t).cos(angle), 0.0), library(t).sin(angle)

    def t_of_ratio(self, ratio: float) -> float:
        """(2 / pi) atan(ratio)."""
        return math.atan(ratio) * (2 / math.pi)


@final
@dataclass(frozen=True)
class Flow:
    """std = t / (1 - t)."""

    clean: bool = True

    def ratio(self, t: float | Tensor) -> Pair:
        """1 - t and t."""
        return 1 - t, t

    def t_of_ratio(self, ratio: float) -> float:
        """Ratio / (1 + ratio)."""
        return ratio / (1 + ratio)


@final
@dataclass(frozen=True)
class Sigmoid:
    """alpha^2 falls from 1 to 0 as the sigmoid of -(start + (end - start) t) / temperature, rescaled."""

    start: float
    end: float
    temperature: float
    clean: bool = True

    def _ends(self) -> tuple[float, float]:
        return self.start / self.temperature, self.end / self.temperature

    def ratio(self, t: float | Tensor) -> Pair:
        """The roots of alpha^2 and sigma^2, as differences of sigmoids by way of sinh: nothing cancels."""
        first, last = self._ends()
        sinh, half = library(t).sinh, (last - first) / 2
        return (sinh(half * (1 - t)) * math.cosh(first / 2)) ** 0.5, (sinh(half * t) * math.cosh(last / 2)) ** 0.5

    def t_of_ratio(self, ratio: float) -> float:
        """The logit of where sigma^2 = ratio^2 / (1 + ratio^2)."""
        first, last = self._ends()
        width = math.sinh((last - first) / 2) / (math.cosh(first / 2) * math.cosh(last / 2)) / 2
        below = 1 / (1 + math.exp(-first)) + width * ratio**2 / (1 + ratio**2)
        above = 1 / (1 + math.exp(last)) + width / (1 + ratio**2)
        return (math.log(below / above) - first) / (last - first)


@final
@dataclass(frozen=True)
class Karras:
    """std^(1 / rho) linear in t (arXiv 2206.00364, equation 5)."""

    std_min: float
    std_max: float
    rho: float
    clean: bool = False

    def _roots(self) -> tuple[float, float]:
        return self.std_min ** (1 / self.rho), self.std_max ** (1 / self.rho)

    def ratio(self, t: float | Tensor) -> Pair:
        """1 and std."""
        low, high = self._roots()
        return 1.0 + 0.0 * t, (low + (high - low) * t) ** self.rho

    def t_of_ratio(self, ratio: float) -> float:
        """Where the root of `ratio` lies between those of the ends."""
        low, high = self._roots()
        return (ratio ** (1 / self.rho) - low) / (high - low)


@final
@dataclass(frozen=True)
class Truncated:
    """signal 1 - t, noise end + (start - end) t."""

    start: float
    end: float

    @property
    def clean(self) -> bool:
        """Whether no noise is left at t = 0."""
        return self.end == 0

    def ratio(self, t: float | Tensor) -> Pair:
        """1 - t and end + (start - end) t."""
        return 1 - t, self.end + (self.start - self.end) * t

    def t_of_ratio(self, ratio: float) -> float:
        """(ratio - end) / (ratio + start - end)."""
        return (ratio - self.end) / (ratio + self.start - self.end)
