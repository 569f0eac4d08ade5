"""Parameterisations: round trips, targets that give back x, EDM's table, finite ends."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dynaxx.noise.level import Level
from dynaxx.noise.parameterise import (
    eps_from_x,
    from_clean,
    precondition,
    target,
    to_clean,
    u_from_x,
    v_from_x,
    x_from_eps,
    x_from_u,
    x_from_v,
)

OUTPUTS = ["x", "eps", "v", "u", "edm"]
PAIRS = [(x_from_eps, eps_from_x), (x_from_v, v_from_x), (x_from_u, u_from_x)]
coefficients = st.floats(0.01, 3)
levels = st.builds(lambda a, s: Level(t=0.5, alpha=a, sigma=s), coefficients, coefficients)


def draw(seed: int) -> torch.Tensor:
    return torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


X, EPS = draw(0), draw(1)


@pytest.mark.parametrize(("forth", "back"), PAIRS)
@given(level=levels)
def test_pairs_invert_each_other(forth, back, level):
    x_t, prediction = draw(2), draw(3)
    assert torch.allclose(back(forth(prediction, x_t, level), x_t, level), prediction, atol=1e-8)


@pytest.mark.parametrize("output", OUTPUTS)
@given(level=levels, std_data=st.floats(0.1, 2))
def test_the_target_stands_for_x(output, level, std_data):
    x_t = level.alpha * X + level.sigma * EPS
    goal = target(X, EPS, output, level, std_data)
    assert torch.allclose(to_clean(goal, output, x_t, level, std_data), X, atol=1e-8)
    assert torch.allclose(from_clean(X, output, x_t, level, std_data), goal, atol=1e-6)


@pytest.mark.parametrize(("alpha", "sigma"), [(0.0, 1.0), (1.0, 0.0)])
@pytest.mark.parametrize("output", OUTPUTS)
def test_both_ends_are_finite(output, alpha, sigma):
    """At alpha = 0 x_t says nothing of x; v and F then are x (up to a factor), and the answer still comes out."""
    level = Level(t=1.0, alpha=alpha, sigma=sigma)
    x_t = alpha * X + sigma * EPS
    goal = target(X, EPS, output, level)
    assert goal.isfinite().all()
    if not (output == "eps" and alpha == 0):
        assert torch.allclose(to_clean(goal, output, x_t, level), X, atol=1e-12)


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_level_per_sample_is_each_samples_own(output):
    alpha, sigma = torch.tensor([0.9, 0.2]).double(), torch.tensor([0.3, 1.5]).double()
    shape = (2, 1, 1)
    both = to_clean(EPS, output, X, Level(alpha.reshape(shape), alpha.reshape(shape), sigma.reshape(shape)))
    for i in range(2):
        alone = to_clean(EPS[i], output, X[i], Level(0.5, float(alpha[i]), float(sigma[i])))
        assert torch.allclose(both[i], alone, atol=1e-12)


@given(std=st.floats(0.002, 80), std_data=st.floats(0.1, 2))
def test_factors_are_edms_table(std, std_data):
    """EDM, table 1, on the exploding form."""
    factors = precondition(Level(t=0.5, alpha=1.0, sigma=std), std_data)
    power = std**2 + std_data**2
    assert factors.c_in == pytest.approx(1 / math.sqrt(power))
    assert factors.c_skip == pytest.approx(std_data**2 / power)
    assert factors.c_out == pytest.approx(std * std_data / math.sqrt(power))
    assert factors.c_noise == pytest.approx(math.log(std) / 4)


@given(level=levels, std_data=st.floats(0.2, 2))
def test_edms_network_sees_and_aims_at_unit_variance(level, std_data):
    """Var(c_in x_t) = 1 and Var(F target) = 1 for data of spread std_data, whatever the form."""
    factors = precondition(level, std_data)
    assert factors.c_in**2 * (level.alpha**2 * std_data**2 + level.sigma**2) == pytest.approx(1)
    on_x = target(torch.ones(1).double(), torch.zeros(1).double(), "edm", level, std_data)
    on_eps = target(torch.zeros(1).double(), torch.ones(1).double(), "edm", level, std_data)
    assert float(on_x**2 * std_data**2 + on_eps**2) == pytest.approx(1)


def test_v_and_u_are_the_derivatives_of_their_paths():
    """They are v = dx_t / d angle on the circle, u = dx_t / dt on the straight line (central differences)."""
    step = 1e-5
    angles = [0.7 - step, 0.7 + step]
    circle = [math.cos(a) * X + math.sin(a) * EPS for a in angles]
    line = [(1 - t) * X + t * EPS for t in angles]
    level = Level(t=0.7, alpha=math.cos(0.7), sigma=math.sin(0.7))
    for path, output in ((circle, "v"), (line, "u")):
        slope = [(b - a) / (2 * step) for a, b in pairwise(path)][0]
        assert torch.allclose(slope, target(X, EPS, output, level), atol=1e-8)
