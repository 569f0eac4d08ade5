"""What every solver keeps: the protocol, finite ends, the last step, the meaning of eta."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from dynaxx.noise.level import CLEAN, Level
from dynaxx.noise.process import make_process
from dynaxx.noise.solve import make_solver
from dynaxx.noise.solve.ancestral import fresh_std
from dynaxx.spec.process import CosineProcess, FlowProcess, KarrasProcess, TruncatedProcess
from dynaxx.spec.solver import SolverSpec

KINDS = ["ddim", "heun", "dpmpp-2m", "ancestral"]
SPECS = [CosineProcess(), KarrasProcess(), FlowProcess(), TruncatedProcess(start=0.3), TruncatedProcess(end=0.05)]
X = torch.randn(2, 3, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
every = pytest.mark.parametrize("kind", KINDS)
each = pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.kind}{SPECS.index(s)}")


def toward(x_t: torch.Tensor, level: Level) -> torch.Tensor:
    return torch.tanh(level.alpha * x_t)


def noise(i: int) -> torch.Tensor:
    return torch.randn(X.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(100 + i))


@every
@each
@pytest.mark.parametrize("spacing", ["t", "logsnr"])
@pytest.mark.parametrize("steps", [1, 2, 9])
def test_steps_join_up_and_end_clean(kind, spec, spacing, steps):
    levels = make_process(spec).levels(steps, spacing=spacing)
    x = X * levels[0].sigma
    walked = list(make_solver(SolverSpec(kind=kind))(toward, x, levels, noise))
    assert [step.index for step in walked] == list(range(steps))
    assert {step.count for step in walked} == {steps}
    assert [step.level for step in walked] == levels[:-1]
    assert walked[0].x_t is x
    assert all(a.x_next is b.x_t for a, b in pairwise(walked))
    assert all(torch.equal(step.x_hat, toward(step.x_t, step.level)) for step in walked)
    assert all(step.x_next.isfinite().all() for step in walked)
    assert torch.equal(walked[-1].x_next, walked[-1].x_hat)


@every
@each
def test_a_known_signal_is_followed_exactly(kind, spec):
    """Where x_hat is constant, the ODE solvers stay on alpha x + sigma eps at every level."""
    x, eps = X.tanh(), noise(0)
    levels = make_process(spec).levels(7, stop_std=0.06)
    solver = make_solver(SolverSpec(kind=kind, eta=0.0))
    start = levels[0].alpha * x + levels[0].sigma * eps
    for step, level in zip(solver(lambda *_: x, start, levels, noise), levels[1:], strict=True):
        assert torch.allclose(step.x_next, level.alpha * x + level.sigma * eps, atol=1e-10)


@every
def test_levels_that_coincide_change_nothing(kind):
    """A clipped process can hold the same level twice."""
    level, lower = (make_process(CosineProcess()).level(t) for t in (0.6, 0.3))
    solver = make_solver(SolverSpec(kind=kind))
    *_, plain = solver(toward, X, [level, lower, CLEAN], lambda i: 0 * X)
    *_, twice = solver(toward, X, [level, level, lower, lower, CLEAN], lambda i: 0 * X)
    assert torch.allclose(plain.x_next, twice.x_next, atol=1e-12) or kind == "dpmpp-2m"
    assert twice.x_next.isfinite().all()


@every
def test_a_solver_stops_when_its_caller_does(kind):
    calls = []
    levels = make_process(CosineProcess()).levels(10)
    walk = make_solver(SolverSpec(kind=kind))(
        lambda x, level: calls.append(level) or toward(x, level), X, levels, noise
    )
    next(walk)
    walk.close()
    assert len(calls) == (2 if kind == "heun" else 1)


@each
def test_ancestral_without_fresh_noise_is_ddim(spec):
    levels = make_process(spec).levels(6)
    *_, ours = make_solver(SolverSpec(kind="ancestral", eta=0.0))(toward, X, levels, noise)
    *_, ddim = make_solver(SolverSpec(kind="ddim"))(toward, X, levels, noise)
    assert torch.allclose(ours.x_next, ddim.x_next, atol=1e-12)


def test_full_fresh_noise_is_ddpms_posterior():
    """beta_tilde = (1 - bar_s) / (1 - bar_t) beta_t (DDPM, equation 7), on the preserving form."""
    process = make_process(CosineProcess())
    here, there = process.level(0.6), process.level(0.55)
    beta = 1 - (here.alpha / there.alpha) ** 2
    posterior = math.sqrt((1 - there.alpha**2) / (1 - here.alpha**2) * beta)
    assert there.alpha * fresh_std(here, there, 1.0) == pytest.approx(posterior)


def test_heun_asks_twice_but_for_the_last_step():
    calls = []
    levels = make_process(CosineProcess()).levels(5)
    list(
        make_solver(SolverSpec(kind="heun"))(lambda x, level: calls.append(level) or toward(x, level), X, levels, noise)
    )
    assert len(calls) == 9
