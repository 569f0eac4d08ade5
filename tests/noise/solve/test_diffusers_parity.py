"""Our solvers give diffusers' own samples, on the same levels, inputs, noise and a nonlinear toy network."""

from __future__ import annotations

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    HeunDiscreteScheduler,
)

from dynaxx.noise.level import CLEAN, Level
from dynaxx.noise.parameterise import to_clean
from dynaxx.noise.process import make_process
from dynaxx.noise.solve import make_solver
from dynaxx.spec.process import DdpmLinearProcess, FlowProcess
from dynaxx.spec.solver import SolverSpec

MIX = torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
X = torch.randn(3, 2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
BETAS = pytest.mark.parametrize("betas", ["linear", "scaled-linear"])
STEPS = pytest.mark.parametrize("steps", [1, 2, 5, 20])


def bounded(x: torch.Tensor, timestep: float) -> torch.Tensor:
    """A clean estimate, or a v or u: nonlinear in the state, and different at every level."""
    return torch.tanh(x.double() @ MIX * 0.5 + float(timestep) / 700)


def network(x: torch.Tensor, timestep: float, output: str, betas: str = "scaled-linear") -> torch.Tensor:
    """A toy network that keeps the state at unit scale, as a trained one does."""
    if output != "eps":
        return bounded(x, timestep)
    level = make_process(DdpmLinearProcess(betas=betas)).level((float(timestep) + 1) / 1000)
    return level.sigma * x.double() + level.alpha * bounded(x, timestep)


def answer(kind: str, denoise, x: torch.Tensor, levels: list[Level], noise=None, eta: float = 1.0) -> torch.Tensor:
    *_, last = make_solver(SolverSpec(kind=kind, eta=eta))(denoise, x, levels, noise)
    return last.x_next


def exact_table(scheduler, betas: str):
    """The scheduler on a float64 table, so that rounding does not hide a difference."""
    kind = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    if betas == "scaled-linear":
        kind = torch.linspace(1e-4**0.5, 0.02**0.5, 1000, dtype=torch.float64) ** 2
    scheduler.alphas_cumprod = torch.cumprod(1 - kind, dim=0)
    return scheduler


def settings(betas: str, **more):
    return {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": betas.replace("-", "_"),
            "timestep_spacing": "trailing", **more}  # fmt: skip


def preserving(output: str, betas: str):
    """The network as a denoiser on our own levels: timestep i is t = (i + 1) / 1000."""
    return lambda x, level: to_clean(network(x, round(level.t * 1000) - 1, output, betas), output, x, level)


def exploding(scheduler) -> list[Level]:
    """The scheduler's sigmas as levels that carry its timesteps."""
    sigmas, seen = [float(s) for s in scheduler.sigmas], []
    for timestep, sigma in zip(scheduler.timesteps.tolist(), sigmas, strict=False):
        if not seen or seen[-1].sigma != sigma:
            seen.append(Level(t=float(timestep), alpha=1.0, sigma=sigma))
    return [*seen, CLEAN]


def scaled(x: torch.Tensor, level: Level) -> torch.Tensor:
    """x_hat of an eps network that wants its input at unit variance."""
    return x - level.sigma * network(x / (level.sigma**2 + 1) ** 0.5, level.t, "eps")


def theirs(scheduler, x: torch.Tensor, output: str = "eps", betas: str = "scaled-linear") -> torch.Tensor:
    for timestep in scheduler.timesteps:
        out = network(scheduler.scale_model_input(x, timestep), timestep, output, betas)
        x = scheduler.step(out, timestep, x).prev_sample
    return x


@BETAS
@STEPS
@pytest.mark.parametrize("output", ["eps", "v"])
def test_ddim(betas, steps, output):
    kind = {"eps": "epsilon", "v": "v_prediction"}[output]
    scheduler = exact_table(DDIMScheduler(**settings(betas, clip_sample=False, prediction_type=kind)), betas)
    scheduler.set_timesteps(steps)
    levels = make_process(DdpmLinearProcess(betas=betas)).levels(steps)
    ours = answer("ddim", preserving(output, betas), X, levels)
    assert (ours - theirs(scheduler, X, output, betas)).abs().max() < 1e-9


@BETAS
@STEPS
@pytest.mark.parametrize("output", ["eps", "v"])
def test_dpmpp_2m(betas, steps, output):
    kind = {"eps": "epsilon", "v": "v_prediction"}[output]
    scheduler = exact_table(DPMSolverMultistepScheduler(**settings(betas, prediction_type=kind)), betas)
    scheduler.set_timesteps(steps)
    levels = make_process(DdpmLinearProcess(betas=betas)).levels(steps)
    ours = torch.tensor([level.std for level in levels], dtype=torch.float64)
    assert torch.allclose(scheduler.sigmas.double(), ours, rtol=1e-6)  # theirs is rounded to float32
    scheduler.sigmas = ours
    ours = answer("dpmpp-2m", preserving(output, betas), X, levels)
    assert (ours - theirs(scheduler, X, output, betas)).abs().max() < 1e-6  # theirs keeps the state in float32


@pytest.mark.parametrize("spacing", ["trailing", "linspace"])
@STEPS
def test_euler(spacing, steps):
    scheduler = EulerDiscreteScheduler(**settings("scaled-linear") | {"timestep_spacing": spacing})
    scheduler.set_timesteps(steps)
    x = X * float(scheduler.sigmas[0])
    ours = answer("ddim", scaled, x, exploding(scheduler))
    assert (ours - theirs(scheduler, x)).abs().max() < 1e-5


@pytest.mark.parametrize("karras", [False, True])
@pytest.mark.parametrize("steps", [2, 5, 20])
def test_heun(karras, steps):
    scheduler = HeunDiscreteScheduler(**settings("scaled-linear", use_karras_sigmas=karras))
    scheduler.set_timesteps(steps)
    scheduler.sigmas = scheduler.sigmas.double()
    x = X * float(scheduler.sigmas[0])
    ours = answer("heun", scaled, x, exploding(scheduler))
    assert (ours - theirs(scheduler, x)).abs().max() < 1e-9


@STEPS
def test_ancestral(steps):
    scheduler = EulerAncestralDiscreteScheduler(**settings("scaled-linear"))
    scheduler.set_timesteps(steps)
    x = X * float(scheduler.sigmas[0])
    mine = torch.Generator().manual_seed(5)
    ours = answer("ancestral", scaled, x, exploding(scheduler), lambda i: torch.randn(X.shape, generator=mine).double())
    x_theirs, generator = x, torch.Generator().manual_seed(5)
    for timestep in scheduler.timesteps:
        out = network(scheduler.scale_model_input(x_theirs, timestep), timestep, "eps")
        x_theirs = scheduler.step(out.float(), timestep, x_theirs, generator=generator).prev_sample
    assert (ours - x_theirs).abs().max() < 1e-5


@STEPS
def test_flow(steps):
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[1 - i / steps for i in range(steps)])
    levels = make_process(FlowProcess()).levels(steps)
    ours = answer("ddim", lambda x, level: to_clean(network(x, level.t * 1000, "u"), "u", x, level), X, levels)
    x = X
    for timestep in scheduler.timesteps:
        x = scheduler.step(network(x, timestep, "u"), timestep, x).prev_sample
    assert (ours - x).abs().max() < 1e-5
