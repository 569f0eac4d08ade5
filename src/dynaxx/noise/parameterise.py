"""What a network may predict, and the clean estimate it stands for: x, eps, v, u and EDM's F.

Everything refers to `x_t = alpha x + sigma eps` (of a truncated process: x_t - beta U(low)). Written without dividing
by alpha or sigma where the mathematics permits, so that v, u and F hold at both ends of every process.

    eps              the noise                                        arXiv 2006.11239
    v                alpha eps - sigma x                              arXiv 2202.00512, appendix D
    u                eps - x, the velocity of a straight path         arXiv 2209.03003, equation 1
    F                (x - c_skip x_t) / c_out                         arXiv 2206.00364, equation 7
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never, final

import torch
from torch import Tensor

from dynaxx.noise.level import Level

Output = Literal["x", "eps", "v", "u", "edm"]


def mix(a: float | Tensor, x: Tensor, b: float | Tensor, y: Tensor) -> Tensor:
    """A x + b y; in two passes over memory where b is a number, since these sums are most of a loop's own cost."""
    return a * x + b * y if isinstance(b, Tensor) else torch.add(a * x, y, alpha=b)


def x_from_eps(eps: Tensor, x_t: Tensor, level: Level) -> Tensor:
    """(x_t - sigma eps) / alpha; not at alpha = 0, where x_t says nothing of x."""
    return mix(1 / level.alpha, x_t, -level.sigma / level.alpha, eps)


def eps_from_x(x: Tensor, x_t: Tensor, level: Level) -> Tensor:
    """(x_t - alpha x) / sigma; not at sigma = 0, where x_t holds no noise."""
    return (x_t - level.alpha * x) / level.sigma


def x_from_v(v: Tensor, x_t: Tensor, level: Level) -> Tensor:
    """(alpha x_t - sigma v) / (alpha^2 + sigma^2)."""
    power = level.alpha * level.alpha + level.sigma * level.sigma
    return mix(level.alpha / power, x_t, -level.sigma / power, v)


def v_from_x(x: Tensor, x_t: Tensor, level: Level) -> Tensor:
    """Alpha eps - sigma x, eps being what x leaves of x_t; not at sigma = 0."""
    return level.alpha * eps_from_x(x, x_t, level) - level.sigma * x


def x_from_u(u: Tensor, x_t: Tensor, level: Level) -> Tensor:
    """(x_t - sigma u) / (alpha + sigma)."""
    total = level.alpha + level.sigma
    return mix(1 / total, x_t, -level.sigma / total, u)


def u_from_x(x: Tensor, x_t: Tensor, level: Level) -> Tensor:
    """Eps - x, eps being what x leaves of x_t; not at sigma = 0."""
    return eps_from_x(x, x_t, level) - x


@final
@dataclass(frozen=True)
class Preconditioning:
    """EDM's four factors (arXiv 2206.00364, equation 7 and table 1), which act on x_t itself, not on x_t / alpha.

    `x_hat = c_skip x_t + c_out F(c_in x_t, c_noise)`. With alpha = 1 they are EDM's own; c_noise = ln(std) / 4 is
    infinite at both ends, where a bounded level (`told`) is to be used instead.
    """

    c_in: float | Tensor
    c_skip: float | Tensor
    c_out: float | Tensor
    c_noise: float | Tensor


def precondition(level: Level, std_data: float) -> Preconditioning:
    """The factors at a level, for data of spread `std_data`: F's input and target have variance 1."""
    power = level.sigma * level.sigma + level.alpha * level.alpha * std_data**2
    return Preconditioning(
        c_in=power**-0.5,
        c_skip=level.alpha * std_data**2 / power,
        c_out=level.sigma * std_data * power**-0.5,
        c_noise=-level.logsnr / 8,
    )


def to_clean(prediction: Tensor, output: Output, x_t: Tensor, level: Level, std_data: float = 0.5) -> Tensor:
    """The clean estimate x_hat `(B, C, *size)` that a prediction of kind `output` stands for."""
    match output:
        case "x":
            return prediction
        case "eps":
            return x_from_eps(prediction, x_t, level)
        case "v":
            return x_from_v(prediction, x_t, level)
        case "u":
            return x_from_u(prediction, x_t, level)
        case "edm":
            factors = precondition(level, std_data)
            return mix(factors.c_skip, x_t, factors.c_out, prediction)
    assert_never(output)


def target(x: Tensor, eps: Tensor, output: Output, level: Level, std_data: float = 0.5) -> Tensor:
    """What a network of kind `output` should predict for clean x and noise eps; finite at every level."""
    match output:
        case "x":
            return x
        case "eps":
            return eps
        case "v":
            return level.alpha * eps - level.sigma * x
        case "u":
            return eps - x
        case "edm":
            power = level.sigma * level.sigma + level.alpha * level.alpha * std_data**2
            return (level.sigma * x - level.alpha * std_data**2 * eps) / (std_data * power**0.5)
    assert_never(output)


def from_clean(x_hat: Tensor, output: Output, x_t: Tensor, level: Level, std_data: float = 0.5) -> Tensor:
    """The prediction of kind `output` that stands for x_hat: the inverse of `to_clean`; not at sigma = 0."""
    return x_hat if output == "x" else target(x_hat, eps_from_x(x_hat, x_t, level), output, level, std_data)
