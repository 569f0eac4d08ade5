"""What edges do to signals: merges, told and untold levels, noise before and after resampling."""

from __future__ import annotations

import pytest
import torch

from dynaxx.engine.edges import carry, merge
from dynaxx.signal.bands import band_split
from dynaxx.signal.random import Draws
from dynaxx.signal.resample import resample
from dynaxx.spec.edge import EdgeBlur, EdgeNoise, EdgeSpec

DRAWS = Draws(7, "edge", (0, 1))


def signal(seed, size=(8, 8), channels=3):
    return Draws(seed, "signal", (0, 1)).normal("x", (channels, *size))


def edge(parents=("a", "b"), **rest):
    return EdgeSpec(from_=parents if len(parents) > 1 else parents[0], **rest)


def test_merges():
    a, b, c = signal(1), signal(2), signal(3)
    three = ("a", "b", "c")
    assert torch.equal(merge(edge(merge="concat"), [a, b]), torch.cat([a, b], 1))
    assert torch.allclose(merge(edge(three, merge="mean"), [a, b, c]), (a + b + c) / 3, atol=1e-6)
    weighted = merge(edge(three, merge="weighted", weights=(1, 2, 5)), [a, b, c])
    assert torch.allclose(weighted, (a + 2 * b + 5 * c) / 8, atol=1e-6)
    bands = merge(edge(merge="bands", cutoff=0.5), [a, b])
    low, high = band_split(bands, (0.5,))
    assert torch.allclose(low, band_split(a, (0.5,))[0], atol=1e-5)
    assert torch.allclose(high, band_split(b, (0.5,))[1], atol=1e-5)


def test_a_mask_takes_the_first_where_it_is_one():
    a, b, mask = signal(1), signal(2), -torch.ones(2, 1, 8, 8)
    mask[..., :4] = 1
    merged = merge(edge(merge="mask", mask="input.mask"), [a, b], mask)
    assert torch.equal(merged[..., :4], a[..., :4])
    assert torch.equal(merged[..., 4:], b[..., 4:])


def test_parents_of_other_sizes_come_to_the_first_ones_grid():
    a, b = signal(1), signal(2, size=(16, 16))
    merged = merge(edge(merge="mean", resize="area"), [a, b])
    assert torch.allclose(merged, (a + resample(b, (8, 8), "area")) / 2, atol=1e-6)


@pytest.mark.parametrize("form", ["exploding", "preserving"])
def test_noise_at_low_is_upsampled_with_the_signal_and_at_high_is_white(form):
    x = signal(1)
    for at, shape in (("low", (3, 8, 8)), ("high", (3, 16, 16))):
        given = carry(edge(("a",), resize="nearest", noise=EdgeNoise(std=0.5, at=at, form=form)), [x], (16, 16), DRAWS)
        eps = DRAWS.normal("augment", shape)
        scale = (1 + 0.25) ** -0.5 if form == "preserving" else 1.0
        clean = x if at == "low" else resample(x, (16, 16), "nearest")
        noisy = scale * (clean + 0.5 * eps)
        expected = resample(noisy, (16, 16), "nearest") if at == "low" else noisy
        assert torch.allclose(given.x, expected, atol=1e-6)
        assert (given.std, given.alpha, given.noise_at) == (0.5, pytest.approx(scale), at)


def test_untold_levels_are_put_on_but_not_told():
    spec = edge(("a",), noise=EdgeNoise(std=0.5, told=False), blur=EdgeBlur(std=1.0, told=False))
    given = carry(spec, [signal(1)], (8, 8), DRAWS)
    assert (given.std, given.blur) == (0.0, 0.0)
    assert (given.x - signal(1)).abs().mean() > 0.2


def test_redraw_step_gives_fresh_noise_for_each_evaluation_and_the_same_each_run():
    def draw():
        return carry(edge(("a",), noise=EdgeNoise(std=0.5, redraw="step")), [signal(1)], (8, 8), DRAWS)

    given, again = draw(), draw()
    assert torch.equal(given.at(0).x, again.at(0).x)
    assert not torch.equal(given.at(0).x, given.at(1).x)
    once = carry(edge(("a",), noise=EdgeNoise(std=0.5)), [signal(1)], (8, 8), DRAWS)
    assert once.at(0) is once.at(1)
