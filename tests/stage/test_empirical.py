"""The empirical posterior equals Bayes' rule written out, and has the limits that it must."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dynaxx.data.sample import Sample
from dynaxx.engine.edges import carry
from dynaxx.noise.level import Level
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import matrix
from dynaxx.spec.data import ShapesData
from dynaxx.spec.edge import EdgeNoise, EdgeSpec
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import EmpiricalStage
from dynaxx.stage.condition import Condition
from dynaxx.stage.empirical import EmpiricalDenoiser
from dynaxx.stage.library import Library

NAMES = ("red apple", "green apple", "yellow banana", "blue boat", "grey cat")
ANY = Condition(("",) * 4)


@pytest.fixture(scope="module")
def library():
    xs = Draws(3, "pictures", tuple(range(len(NAMES)))).normal("x", (3, 8, 8)).tanh()
    return Library([Sample(x=x, caption=name, label=None, id=name) for x, name in zip(xs, NAMES, strict=True)])


def denoiser(library, size=(8, 8), **settings):
    spec = EmpiricalStage(name="s", role="base", data=ShapesData(), **settings)
    return EmpiricalDenoiser(spec, library, Grid(3, size))


def by_hand(stored, terms, prior):
    """sum_i w_i x_i with log w_i = log p_i - sum |value - gain f(x_i)|^2 / (2 s^2), looped over i and over terms."""
    log_w = np.log(prior)
    for value, seen, gain, std in terms:
        log_w = log_w + np.array([-((value - gain * s) ** 2).sum() / (2 * std**2) for s in seen])
    w = np.exp(log_w - log_w.max())
    return np.tensordot(w / w.sum(), stored, axes=1)


@pytest.mark.parametrize("level", [Level(0.5, 0.7, 0.7), Level(0.2, 0.95, 3.0), Level(0.9, 0.1, 1.0)])
def test_the_state_alone(library, level):
    x_t = Draws(0, "t", (0, 1, 2, 3)).normal("x", (3, 8, 8))
    answer = denoiser(library)(x_t, level, {}, ANY)
    stored = np.stack([s.x.double().numpy() for s in library.samples])
    for got, x in zip(answer, x_t.double().numpy(), strict=True):
        expected = by_hand(stored, [(x, stored, level.alpha, level.sigma)], np.full(5, 0.2))
        assert np.abs(got.numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("at", ["low", "high"])
@pytest.mark.parametrize("form", ["exploding", "preserving"])
def test_with_a_noisy_low_input(library, at, form):
    std, floor, level = 1.5, 0.02, Level(0.6, 0.6, 2.0)
    edge = EdgeSpec(from_="base", resize="bilinear", noise=EdgeNoise(std=std, at=at, form=form))
    low = library.signals((4, 4))[[1, 3, 0, 4]]
    given = carry(edge, [low], (8, 8), Draws(1, "edge", (0, 1, 2, 3)))
    x_t = Draws(0, "t", (0, 1, 2, 3)).normal("x", (3, 8, 8))
    answer = denoiser(library, floor=floor)(x_t, level, {"low": given}, ANY)
    up = matrix(4, 8, "bilinear").numpy()
    small = library.signals((4, 4)).double().numpy()
    stored = np.stack([s.x.double().numpy() for s in library.samples])
    seen, value = (small, given.source) if at == "low" else (up @ small @ up.T, given.x)
    gain = (1 + std**2) ** -0.5 if form == "preserving" else 1.0
    for i in range(4):
        noise = gain * (std**2 + floor**2) ** 0.5
        terms = [(x_t[i].double().numpy(), stored, level.alpha, level.sigma),
                 (value[i].double().numpy(), seen, gain, noise)]  # fmt: skip
        assert np.abs(answer[i].numpy() - by_hand(stored, terms, np.full(5, 0.2))).max() < 1e-5


def test_limits_pure_noise_gives_the_prior_mean_and_no_noise_the_nearest_signal(library):
    stored = library.signals((8, 8))
    x_t = stored[[2, 0, 4, 1]] + 0.01
    everything = denoiser(library)(x_t, Level(1.0, 0.0, 1.0), {}, ANY)
    nearest = denoiser(library)(x_t, Level(0.0, 1.0, 1e-4), {}, ANY)
    assert torch.allclose(everything, stored.mean(0).expand_as(everything), atol=1e-6)
    assert torch.allclose(nearest, stored[[2, 0, 4, 1]], atol=1e-6)


def test_a_prompt_weighs_the_prior(library):
    asked = Condition(("red apple", "banana", "boat", ""))
    means = denoiser(library, sharpness=200.0)(torch.zeros(4, 3, 8, 8), Level(1.0, 0.0, 1.0), {}, asked)
    stored = library.signals((8, 8))
    for got, index in zip(means[:3], (0, 2, 3), strict=True):
        assert torch.allclose(got, stored[index], atol=1e-4)
    assert torch.allclose(means[3], stored.mean(0), atol=1e-6)


def test_levels_may_differ_within_a_batch(library):
    x_t = Draws(0, "t", (0, 1)).normal("x", (3, 8, 8))
    t = torch.tensor([0.3, 0.8]).reshape(2, 1, 1, 1)
    together = denoiser(library)(x_t, Level(t, 1 - t, t), {}, Condition(("", "")))
    for i in range(2):
        level = Level(float(t[i]), float(1 - t[i]), float(t[i]))
        alone = denoiser(library)(x_t[i : i + 1], level, {}, Condition(("",)))
        assert torch.allclose(together[i : i + 1], alone, atol=1e-6)
