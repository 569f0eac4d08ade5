"""Spectrum, sharpness, local variance, power in time: exact on known signals, moving one way with the fault."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.metrics.gaussian_sets import normal
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.metrics.spectrum import band_power, centres, log_ratio, octaves, spectral_distance
from dynaxx.metrics.temporal import flicker, temporal_power
from dynaxx.metrics.texture import local_variance, sharpness
from dynaxx.signal.bands import band_masks
from dynaxx.signal.blur import blur


@pytest.mark.parametrize("size", [(2,), (3,), (8,), (64,), (8, 8), (64, 64), (16, 48), (5, 7), (4, 16, 16), (1, 8, 8)])
def test_octaves_hold_a_mode_each_and_all_modes(size: tuple[int, ...]) -> None:
    edges = octaves(size)
    masks = band_masks(size, edges)
    assert masks.flatten(1).any(dim=1).all()
    assert len(masks) <= 8
    assert list(masks[0].flatten().nonzero().flatten()) == [0]
    assert (centres(size, edges).diff() > 0).all()


def test_octaves_are_octaves() -> None:
    assert octaves((64, 64)) == (1 / 64, 1 / 16, 1 / 8, 1 / 4, 1 / 2)


def test_noise_is_measured_as_it_is() -> None:
    x = 0.3 * normal(64, 2, 32, 32, seed=0)
    edges = octaves((32, 32))
    assert torch.allclose(band_power(x, edges).mean(dim=0)[1:], torch.tensor(0.09).double(), rtol=0.2)
    decibels = log_ratio(2 * x, x, edges)
    assert all(band.value == pytest.approx(20 * math.log10(2)) for band in decibels)
    assert all(band.std_error() < 1e-9 for band in decibels)


def test_intervals_of_the_log_ratio_cover() -> None:
    edges, covered = octaves((16,)), torch.zeros(len(octaves((16,))) + 1)
    for seed in range(300):
        x, y = 0.8 * normal(64, 1, 16, seed=2 * seed), normal(64, 1, 16, seed=2 * seed + 1)
        found = log_ratio(x, y, edges)
        covered += torch.tensor([float(not b.interval().excludes(20 * math.log10(0.8))) for b in found])
    assert ((covered / 300 > 0.9) & (covered / 300 < 0.99)).all()


def test_the_spectral_distance_has_its_closed_form() -> None:
    edges, truth = octaves((16, 16)), (0.64 - 1) ** 2
    reference = normal(1000, 1, 16, 16, seed=9)
    values = [
        spectral_distance(0.8 * normal(32, 1, 16, 16, seed=2 * i), normal(32, 1, 16, 16, seed=2 * i + 1), edges,
                          reference=reference).value
        for i in range(60)
    ]  # fmt: skip
    assert abs(np.mean(values) - truth) < 3 * np.std(values) / math.sqrt(60) + 0.01


def test_the_spectral_distance_rises_with_blur(pictures: Tensor) -> None:
    edges = octaves((32, 32))
    distances = [spectral_distance(blur(pictures, s), pictures, edges).value for s in (0.0, 0.4, 0.8, 1.6)]
    assert distances == sorted(distances)
    assert distances[0] == 0


@pytest.mark.parametrize("metric", [sharpness, local_variance])
def test_detail_falls_with_blur_and_rises_with_noise(metric, pictures: Tensor) -> None:
    blurred = [float(metric(blur(pictures, s)).mean()) for s in (0.0, 0.5, 1.0, 2.0)]
    assert blurred == sorted(blurred, reverse=True)
    noisy = [float(metric(pictures + s * normal(*pictures.shape, seed=0)).mean()) for s in (0.0, 0.1, 0.3)]
    assert noisy == sorted(noisy)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_detail_of_white_noise_is_known(rank: int) -> None:
    """The Laplacian's taps are -2 rank and 2 rank times 1; a window of m sites takes 1/m of the variance away."""
    x = normal(50, 1, *((4096,), (64, 64), (16, 16, 16))[rank - 1], seed=rank)
    assert float(sharpness(x).mean()) == pytest.approx((2 * rank) ** 2 + 2 * rank, rel=0.03)
    assert float(local_variance(x, 3).mean()) == pytest.approx(1 - 3.0**-rank, rel=0.03)


def test_power_in_time_is_parsevals() -> None:
    x = normal(3, 2, 12, 4, 4, seed=0)
    assert torch.allclose(temporal_power(x, 0.0), x.square().flatten(1).mean(dim=1))
    t = torch.arange(16, dtype=torch.float64)
    slow, fast = (torch.cos(2 * torch.pi * k * t / 16).reshape(1, 1, 16, 1, 1) for k in (2, 6))
    assert float(temporal_power(slow + 0.5 * fast)) == pytest.approx(0.125)


def test_flicker_sees_flicker_and_no_drift() -> None:
    still = normal(4, 3, 1, 8, 8, seed=0).expand(4, 3, 10, 8, 8)
    t = torch.arange(10, dtype=torch.float64).reshape(1, 1, 10, 1, 1)
    assert float(flicker(still + 0.05 * t).max()) < 1e-12
    seen = [float(flicker(still + a * (-1) ** t).mean()) for a in (0.0, 0.01, 0.1)]
    assert seen == pytest.approx([0.0, 0.02, 0.2])
    power = [float(temporal_power(still + a * (-1) ** t).mean()) for a in (0.0, 0.01, 0.1)]
    assert power == sorted(power)


def test_what_cannot_be_measured_is_refused(pictures: Tensor) -> None:
    with pytest.raises(UsageError, match="no power in bands"):
        spectral_distance(pictures, torch.ones_like(pictures), octaves((32, 32)))
    with pytest.raises(UsageError, match="equally|as many"):
        log_ratio(pictures, pictures[:-1], (0.5,))
    with pytest.raises(UsageError, match="at least 3 frames"):
        flicker(torch.zeros(1, 1, 2, 8, 8))
