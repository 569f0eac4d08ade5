"""Impulses through the real solver give each mode's discrete gain, and those converge to the closed form."""

from __future__ import annotations

import gaussian_modes as reference
import numpy as np
import pytest
import torch

from dynaxx.engine.edges import carry
from dynaxx.noise.process import make_process
from dynaxx.signal.random import Draws
from dynaxx.spec.edge import EdgeNoise, EdgeSpec
from dynaxx.spec.grid import Grid
from dynaxx.spec.process import CosineProcess, FlowProcess, KarrasProcess, TruncatedProcess
from dynaxx.spec.solver import SolverSpec
from dynaxx.spec.stage import GaussianStage
from dynaxx.stage.condition import Condition
from dynaxx.stage.gaussian import Gaussian
from dynaxx.stage.stage import Request

SIZES = [(24,), (12, 10), (6, 8, 5)]
DOUBLE = torch.float64


class Impulse(Draws):
    """Draws whose start noise is one impulse per sample, and whose every other number is 0."""

    def normal(self, purpose, shape, *, draw=0, device=None, dtype=torch.float32):
        x = torch.zeros(len(self.ids), *shape, dtype=dtype)
        if purpose == "start":
            x[(slice(None), slice(None), *[0] * (len(shape) - 1))] = 1.0
        return x


class Silence(Impulse):
    """Draws that are all 0."""

    def normal(self, purpose, shape, *, draw=0, device=None, dtype=torch.float32):
        return torch.zeros(len(self.ids), *shape, dtype=dtype)


def modes(x):
    return np.fft.fftn(x[0, 0].numpy())


def run(spec, grid, draws, inputs=None, stop_std=None):
    request = Request(
        spec=spec,
        grid=grid,
        inputs=inputs or {},
        condition=Condition(("",)),
        draws=draws,
        dtype=DOUBLE,
        stop_std=stop_std,
    )
    return Gaussian(spec).run(request)


def stage(size, kind="ddim", steps=7, process=None, edge=None, role="base"):
    return GaussianStage(
        name="s", role=role, size=size, exponent=2.0, knee=1.5, std=0.7, process=process or CosineProcess(),
        solver=SolverSpec(kind=kind, steps=steps), inputs={"low": edge} if edge else {},
    )  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["ddim", "heun", "dpmpp-2m"])
@pytest.mark.parametrize("process", [CosineProcess(), KarrasProcess(std_max=20.0)], ids=lambda p: p.kind)
def test_an_impulse_shows_the_product_of_the_steps_gains(size, kind, process):
    spec, grid = stage(size, kind, process=process), Grid(1, size)
    levels = make_process(process, grid).levels(spec.solver.steps)
    measured = modes(run(spec, grid, Impulse(0, "s", (0,)))) / levels[0].sigma
    expected = reference.gains(levels, reference.power(spec, size), kind).noise
    assert np.abs(measured - expected).max() < 1e-10


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("at", ["low", "high"])
@pytest.mark.parametrize("form", ["exploding", "preserving"])
@pytest.mark.parametrize("process", [FlowProcess(), TruncatedProcess(start=0.3)], ids=lambda p: p.kind)
def test_a_stage_trusts_its_input_by_the_product_formula(size, at, form, process):
    low_size, std = tuple(n // 2 for n in size), 0.25
    edge = EdgeSpec(from_="base", resize="fourier", noise=EdgeNoise(std=std, at=at, form=form))
    spec, grid = stage(size, "ddim", process=process, edge=edge, role="bridge"), Grid(1, size)
    impulse = torch.zeros(1, 1, *low_size, dtype=DOUBLE)
    impulse[(0, 0, *[0] * len(size))] = 1.0
    given = carry(edge, [impulse], size, Silence(0, "s", (0,)))
    held = reference.band(size, low_size)
    noise = std**2 * (np.prod(size) / np.prod(low_size) if at == "low" else 1.0) * held + (0 if at == "low" else 0)
    prior = reference.power(spec, size)
    trust = np.where(held, prior / (prior + np.where(held, noise, 1.0)), 0.0)
    var = np.where(held, prior * (1 - trust), prior)
    gains = reference.gains(make_process(process, grid).levels(spec.solver.steps), var, "ddim")
    shrink = (1 + std**2) ** -0.5 if form == "preserving" else 1.0
    arrived = modes(given.x) / shrink
    measured = modes(run(spec, grid, Silence(0, "s", (0,)), {"low": given}))
    assert np.abs(arrived[held]).min() > 0.5
    # In the preserving form the silent draws leave low / sqrt(1 + std^2), which the stage scales back.
    assert np.abs(measured - gains.mean * trust * arrived).max() < 1e-10


@pytest.mark.parametrize(("kind", "order"), [("ddim", 1), ("heun", 2), ("dpmpp-2m", 2)])
def test_discrete_gains_converge_to_the_closed_form_at_nominal_order(kind, order):
    size, stop = (16,), 0.05
    grid, errors, counts = Grid(1, size), [], (80, 160, 320)
    for steps in counts:
        process = KarrasProcess(std_max=10.0)
        spec = stage(size, kind, steps, process=process)
        levels = make_process(process, grid).levels(steps, stop_std=stop)
        measured = modes(run(spec, grid, Impulse(0, "s", (0,)), stop_std=stop)).real / levels[0].sigma
        power = reference.power(spec, size)
        closed = np.sqrt((power + levels[-1].sigma ** 2) / (power + levels[0].sigma ** 2))
        errors.append(np.abs(measured - closed).max())
    slope = np.polyfit(np.log(counts), -np.log(errors), 1)[0]
    assert slope == pytest.approx(order, abs=0.2), errors
