"""Bands: a partition of all modes, Parseval, waves in the right band."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynaxx.errors import UsageError
from dynaxx.signal.bands import band_masks, band_split, mode_power, power_spectrum, radial_frequency

shapes = st.lists(st.integers(1, 9), min_size=1, max_size=3).map(tuple)
edge_lists = st.lists(st.floats(0.01, 1.8), max_size=4, unique=True).map(sorted).map(tuple)


def signal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@settings(max_examples=60, deadline=None)
@given(shapes, edge_lists)
def test_bands_partition_the_signal_and_its_power(size, edges):
    x = signal(2, 3, *size)
    assert (band_masks(size, edges).sum(dim=0) == 1).all()
    parts = band_split(x, edges)
    assert parts.shape == (len(edges) + 1, *x.shape)
    assert torch.allclose(parts.sum(dim=0), x, atol=1e-12)
    power = power_spectrum(x, edges)
    assert torch.allclose(power.sum(dim=-1), (x**2).flatten(2).mean(dim=-1), atol=1e-12)
    assert torch.allclose(power, (parts**2).flatten(3).mean(dim=-1).movedim(0, -1), atol=1e-12)


@pytest.mark.parametrize(("wave", "band"), [(1, 0), (3, 0), (4, 1), (7, 1), (8, 2), (16, 2)])
def test_a_wave_lies_in_its_band(wave, band):
    x = torch.cos(2 * torch.pi * wave * torch.arange(32, dtype=torch.float64) / 32).reshape(1, 1, 32)
    power = power_spectrum(x, (0.25, 0.5))[0, 0]
    assert power.argmax() == band
    assert torch.allclose(power[band], (x**2).mean(), atol=1e-12)


def test_frequency_is_a_share_of_nyquist_whatever_the_shape():
    frequency = radial_frequency((8, 16))
    assert frequency[4, 0] == frequency[0, 8] == 1
    assert torch.isclose(frequency.max(), torch.tensor(2.0, dtype=torch.float64).sqrt())


def test_white_noise_has_its_variance_in_every_band():
    power = mode_power(0.5 * signal(40, 1, 32, 32), (0.3, 0.6, 1.0)).mean(dim=0)[0]
    assert torch.allclose(power, torch.full((4,), 0.25, dtype=torch.float64), rtol=0.05)


def test_dtype_is_kept():
    assert band_split(signal(1, 1, 8).float(), (0.5,)).dtype == torch.float32


def test_falling_edges_are_refused():
    with pytest.raises(UsageError, match="edges: must rise"):
        band_masks((8,), (0.5, 0.2))
