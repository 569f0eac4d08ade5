"""Measured orders of convergence on Gaussian data, where x_hat and the solution of the ODE have a closed form.

For data of variance P, x_hat = alpha P x_t / (alpha^2 P + sigma^2), and a state keeps its quantile:
x_s / x_t = q_s / q_t with q^2 = alpha^2 P + sigma^2, in every form.
"""

from __future__ import annotations

import math

import pytest
import torch

from dynaxx.noise.level import Level
from dynaxx.noise.process import make_process
from dynaxx.noise.solve import make_solver
from dynaxx.spec.process import (
    CosineProcess,
    DdpmLinearProcess,
    FlowProcess,
    KarrasProcess,
    SigmoidProcess,
    TruncatedProcess,
)
from dynaxx.spec.solver import SolverSpec

POWER = torch.tensor([0.01, 0.1, 1.0, 4.0], dtype=torch.float64)
SPECS = [
    CosineProcess(),
    SigmoidProcess(),
    DdpmLinearProcess(),
    KarrasProcess(),
    FlowProcess(),
    TruncatedProcess(start=0.5),
    TruncatedProcess(start=0.3, end=0.02),
]
each = pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.kind}{SPECS.index(s)}")
STEPS = (100, 200, 400)


def denoise(x_t: torch.Tensor, level: Level) -> torch.Tensor:
    return level.alpha * POWER / (level.alpha**2 * POWER + level.sigma**2) * x_t


def spread(level: Level) -> torch.Tensor:
    return (level.alpha**2 * POWER + level.sigma**2).sqrt()


def orders(error) -> list[float]:
    """log2 of how much the error shrinks where the steps double."""
    errors = [error(steps) for steps in STEPS]
    return [math.log2(a / b) for a, b in zip(errors, errors[1:], strict=False)]


def ode_error(spec, kind: str, steps: int, **path) -> float:
    levels = make_process(spec).levels(steps, stop_std=0.05, **path)
    *_, last = make_solver(SolverSpec(kind=kind))(denoise, spread(levels[0]), levels, None)
    return float((last.x_next - spread(levels[-1])).abs().max())


@each
@pytest.mark.parametrize(("kind", "order"), [("ddim", 1), ("heun", 2)])
def test_one_step_methods_from_pure_noise(spec, kind, order):
    assert orders(lambda n: ode_error(spec, kind, n)) == pytest.approx([order] * 2, abs=0.2)


@each
@pytest.mark.parametrize(("kind", "order"), [("ddim", 1), ("heun", 2), ("dpmpp-2m", 2)])
def test_all_methods_uniform_in_logsnr_from_pure_noise(spec, kind, order):
    assert orders(lambda n: ode_error(spec, kind, n, spacing="logsnr")) == pytest.approx([order] * 2, abs=0.2)


@each
def test_dpmpp_2m_uniform_in_t_from_a_finite_level(spec):
    """From pure noise, steps uniform in t do not shrink in log-SNR at the start, which costs the order a logarithm."""
    assert orders(lambda n: ode_error(spec, "dpmpp-2m", n, start_std=2.0)) == pytest.approx([2] * 2, abs=0.2)


def variance(levels: list[Level], eta: float) -> torch.Tensor:
    """The exact variance of each mode at the end, from the responses to an impulse at the start and in each step."""
    count = len(levels) - 1
    impulses = torch.eye(count + 1, dtype=torch.float64)[:, :, None].expand(-1, -1, len(POWER))
    start = impulses[0] * spread(levels[0])
    solver = make_solver(SolverSpec(kind="ancestral", eta=eta))
    *_, last = solver(denoise, start, levels, lambda i: impulses[i + 1])
    return (last.x_next**2).sum(dim=0)


@each
@pytest.mark.parametrize("eta", [1.0, 0.5])
def test_ancestral_converges_weakly(spec, eta):
    def error(steps: int) -> float:
        levels = make_process(spec).levels(steps, stop_std=0.05)
        return float((variance(levels, eta) - spread(levels[-1]) ** 2).abs().max())

    assert orders(error) == pytest.approx([1] * 2, abs=0.2)


def test_heun_in_its_own_form_beats_heun_in_std():
    """Why the trapezoid is not taken in x_t / alpha: from pure noise, few steps in std overshoot."""
    levels = make_process(CosineProcess()).levels(10, stop_std=0.05)
    in_std = [Level(level.t, 1.0, level.std) for level in levels]

    def error(path: list[Level]) -> float:
        *_, last = make_solver(SolverSpec(kind="heun"))(denoise, spread(path[0]), path, None)
        return float(((last.x_next - spread(path[-1])) / path[-1].alpha).abs().max())

    assert error(levels) < 0.03
    assert error(in_std) > 1
