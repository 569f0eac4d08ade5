"""The units in which noise levels are written elsewhere, each to and from std. No torch.

`in_every_unit(0.427)["if-noise-level"]` is 250. Units that are tables of timesteps are read between their entries,
linear in log-SNR.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal, final

from dynaxx.errors import UsageError


@final
@dataclass(frozen=True)
class Unit:
    """A way to write a level: values in [low, high] to std (increasing or decreasing) and back.

    `form` is the one in which this unit's projects put noise on a signal; `about` says where it is used.
    """

    to_std: Callable[[float], float]
    from_std: Callable[[float], float]
    low: float
    high: float
    form: Literal["exploding", "preserving", "interpolating", "any"]
    about: str

    @property
    def reach(self) -> tuple[float, float]:
        """The least and the largest std that the unit can write."""
        least, most = sorted((self.to_std(self.low), self.to_std(self.high)))
        return least, most


def std_of(unit: str, value: float) -> float:
    """The std of `value` in a unit, e.g. `std_of("if-noise-level", 250)` is 0.427."""
    known = _unit(unit)
    if not known.low <= value <= known.high:
        raise UsageError(unit, f"expects {known.low:g} to {known.high:g}, but got {value:g}.")
    return known.to_std(value)


def value_of(unit: str, std: float) -> float:
    """The value in a unit of a std, the inverse of `std_of`."""
    known = _unit(unit)
    least, most = known.reach
    if not least <= std <= most:
        raise UsageError(unit, f"reaches std {least:.4g} to {most:.4g}, but got {std:g}.")
    return min(max(known.from_std(std), known.low), known.high)


def in_every_unit(std: float) -> dict[str, float]:
    """A level in all units that reach it, by unit name; a clean signal (std 0) has no value on a table of noise."""
    reaching = (name for name, unit in UNITS.items() if unit.reach[0] <= std <= unit.reach[1])
    return {name: value_of(name, std) for name in reaching}


def _unit(name: str) -> Unit:
    if name not in UNITS:
        raise UsageError("unit", f"unknown unit '{name}'.", f"Choose one of {', '.join(UNITS)}.")
    return UNITS[name]


def _table(betas: Sequence[float]) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """Ln std at each timestep of a table of betas, as a function of the timestep and its inverse."""
    falls = accumulate(-math.log1p(-beta) for beta in betas)
    logs = [0.5 * math.log(math.expm1(fall)) for fall in falls]

    def to_std(step: float) -> float:
        left = min(int(step), len(logs) - 2)
        return math.exp(logs[left] + (step - left) * (logs[left + 1] - logs[left]))

    def from_std(std: float) -> float:
        log = math.log(std)
        left = min(max(bisect_right(logs, log) - 1, 0), len(logs) - 2)
        return left + (log - logs[left]) / (logs[left + 1] - logs[left])

    return to_std, from_std


def _cosine_betas(timesteps: int) -> list[float]:
    """squaredcos_cap_v2: the betas of alpha_bar = cos^2, capped at 0.999 (arXiv 2102.09672, equation 17)."""
    bar = [math.cos((i / timesteps + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(timesteps + 1)]
    return [min(1 - after / before, 0.999) for before, after in zip(bar, bar[1:], strict=False)]


def _scaled_linear_betas(timesteps: int, first: float, last: float) -> list[float]:
    """Betas whose roots are evenly spaced: latent diffusion's "linear", diffusers' "scaled_linear"."""
    roots = math.sqrt(first), math.sqrt(last)
    return [(roots[0] + (roots[1] - roots[0]) * i / (timesteps - 1)) ** 2 for i in range(timesteps)]


def _std_of_logsnr(logsnr: float) -> float:
    return 0.0 if logsnr == math.inf else math.inf if logsnr < -1400 else math.exp(-logsnr / 2)


def _logsnr_of_std(std: float) -> float:
    return -2 * math.log(std) if std else math.inf


def _std_of_imagen(t: float) -> float:
    """log-SNR = -ln(expm1(1e-4 + 10 t^2)), imagen-pytorch's linear schedule."""
    return math.sqrt(math.expm1(1e-4 + 10 * t * t))


def _imagen_of_std(std: float) -> float:
    return math.sqrt(max(math.log1p(std * std) - 1e-4, 0.0) / 10)


_IF, _IF_BACK = _table(_cosine_betas(1000))
_X4, _X4_BACK = _table(_scaled_linear_betas(1000, 1e-4, 2e-2))

UNITS: dict[str, Unit] = {
    "logsnr": Unit(_std_of_logsnr, _logsnr_of_std, -math.inf, math.inf, "any", "-2 ln std"),
    "edm-sigma": Unit(float, float, 0, math.inf, "exploding", "EDM, k-diffusion and ComfyUI sigmas"),
    "cosine-t": Unit(
        lambda t: math.tan(t * math.pi / 2) if t < 1 else math.inf,
        lambda std: math.atan(std) * 2 / math.pi,
        0, 1, "preserving", "t of the unshifted cosine process; what our networks are told",
    ),
    "flow-t": Unit(
        lambda t: t / (1 - t) if t < 1 else math.inf,
        lambda std: std / (1 + std) if std < math.inf else 1.0,
        0, 1, "interpolating", "t of the unshifted flow; sigmas of SD3, Flux, LTX",
    ),
    "if-noise-level": Unit(_IF, _IF_BACK, 0, 999, "preserving", "noise_level of DeepFloyd IF in diffusers"),
    "if-aug-level": Unit(
        lambda v: _IF(1000 * v), lambda std: _IF_BACK(std) / 1000, 0, 0.999, "preserving", "aug_level of DeepFloyd IF"
    ),
    "x4-noise-level": Unit(_X4, _X4_BACK, 0, 350, "preserving", "noise_level of the x4 upscaler in diffusers"),
    "comfyui-x4": Unit(
        lambda v: _X4(350 * v), lambda std: _X4_BACK(std) / 350, 0, 1, "preserving", "noise_augmentation in ComfyUI"
    ),
    "imagen-pytorch": Unit(
        _std_of_imagen, _imagen_of_std, 0, 1, "preserving", "lowres_sample_noise_level of imagen-pytorch"
    ),
}  # fmt: skip
