"""Levels are drawn as the spec says; rates, averages and blur follow their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dynaxx.engine.edges import Strength, carry
from dynaxx.noise.process import make_process
from dynaxx.signal.random import Draws
from dynaxx.spec.edge import EdgeBlur, EdgeNoise, EdgeSpec
from dynaxx.spec.process import CosineProcess, KarrasProcess
from dynaxx.spec.training import EmaSpec, LevelSamplingSpec, OptimizerSpec
from dynaxx.train.ema import Ema
from dynaxx.train.levels import draw_strength, draw_times
from dynaxx.train.optimise import learning_rate

CPU = torch.device("cpu")


def test_stratified_times_have_one_in_every_share_of_a_batch() -> None:
    draws = Draws(0, "base", tuple(range(64, 128)))
    t = draw_times(LevelSamplingSpec(), make_process(CosineProcess()), draws, 64)
    assert (t * 64).floor().tolist() == list(range(64))


def test_lognormal_levels_have_their_mean_and_spread() -> None:
    process, draws = make_process(KarrasProcess()), Draws(0, "base", tuple(range(2000)))
    t = draw_times(LevelSamplingSpec(kind="lognormal", mean=-1.2, std=0.8), process, draws, 1)
    log = process.level(t.double()).std.log()
    assert log.mean() == pytest.approx(-1.2, abs=0.06)
    assert log.std() == pytest.approx(0.8, abs=0.05)


def test_strengths_are_uniform_in_the_trained_range_one_per_sample() -> None:
    edge = EdgeSpec(from_="base", noise=EdgeNoise(train_std=(0.2, 0.6)), blur=EdgeBlur(train_std=(0, 2)))
    drawn = draw_strength(edge, Draws(0, "bridge.low", tuple(range(1000))), 2, CPU)
    assert drawn.noise.shape == drawn.blur.shape == (1000, 1, 1, 1)
    for values, low, high in ((drawn.noise, 0.2, 0.6), (drawn.blur, 0.0, 2.0)):
        assert values.min() >= low
        assert values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, abs=0.03 * (high - low))


@pytest.mark.parametrize("at", ["low", "high"])
@pytest.mark.parametrize("form", ["exploding", "preserving"])
def test_an_edge_with_a_level_per_sample_is_that_edge_sample_by_sample(at: str, form: str) -> None:
    x = Draws(1, "x", (0, 1, 2)).normal("x", (3, 4, 4))
    noise, blur = torch.tensor([0.0, 0.3, 0.7]), torch.tensor([0.5, 0.0, 1.5])
    spec = EdgeSpec(from_="base", noise=EdgeNoise(at=at, form=form), blur=EdgeBlur())
    strength = Strength(noise.view(-1, 1, 1, 1), blur.view(-1, 1, 1, 1))
    whole = carry(spec, [x], (8, 8), Draws(2, "e", (0, 1, 2)), strength=strength)
    for i in range(3):
        alone = EdgeSpec(
            from_="base",
            noise=EdgeNoise(at=at, form=form, std=noise[i].item()),
            blur=EdgeBlur(std=blur[i].item()),
        )
        one = carry(alone, [x[i : i + 1]], (8, 8), Draws(2, "e", (i,)))
        assert torch.allclose(whole.x[i : i + 1], one.x, atol=1e-6)
        assert torch.allclose(whole.source[i : i + 1], one.source, atol=1e-6)
        assert whole.std[i].item() == pytest.approx(one.std)
        assert whole.blur[i].item() == pytest.approx(one.blur)
        assert torch.as_tensor(whole.alpha).expand(3, 1, 1, 1)[i].item() == pytest.approx(one.alpha)


def test_the_rate_rises_over_the_warm_up_and_falls_to_nothing() -> None:
    spec = OptimizerSpec(lr=1.0, warmup_steps=10, decay="cosine")
    assert [learning_rate(spec, step, 110) for step in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert learning_rate(spec, 60, 110) == pytest.approx(0.5)
    assert learning_rate(spec, 109, 110) < 1e-3
    assert learning_rate(OptimizerSpec(lr=1.0, warmup_steps=0), 999, 1000) == 1.0


def test_the_average_has_its_half_life_in_images() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0.0)
    ema = Ema(EmaSpec(half_life_images=300, ramp=0), network)
    nn.init.constant_(network.weight, 1.0)
    for batch in range(1, 31):
        ema.update(20 * batch, 20)  # two half-lives
    with ema.applied():
        assert network.weight.item() == pytest.approx(0.75, abs=1e-5)
    assert network.weight.item() == 1.0


def test_early_on_the_average_forgets_within_a_share_of_what_was_seen() -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0.0)
    ema = Ema(EmaSpec(half_life_images=10**6, ramp=0.1), network)
    nn.init.constant_(network.weight, 1.0)
    ema.update(10, 10)
    assert ema.state()["weight"].item() == pytest.approx(1 - math.pow(0.5, 10))
