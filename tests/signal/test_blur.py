"""Gaussian blur: exact at 0, the Gaussian's transfer function, separable, sums kept."""

from __future__ import annotations

import math

import pytest
import torch

from dynaxx.errors import UsageError
from dynaxx.signal.blur import blur


def signal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_width_zero_gives_the_signal_itself():
    x = signal(1, 2, 5, 6)
    assert blur(x, 0.0) is x


@pytest.mark.parametrize("border", ["reflect", "periodic"])
@pytest.mark.parametrize("std", [0.1, 0.8, 3.0, 50.0])
def test_sums_and_constants_are_kept(border, std):
    x = signal(2, 1, 7, 4, 9)
    y = blur(x, std, border=border)
    assert torch.allclose(y.sum(dim=(2, 3, 4)), x.sum(dim=(2, 3, 4)), atol=1e-10)
    assert torch.allclose(blur(torch.ones_like(x), std, border=border), torch.ones_like(x), atol=1e-12)


@pytest.mark.parametrize("std", [1.0, 2.5])
def test_periodic_waves_shrink_by_the_gaussians_transfer(std):
    site = 2 * math.pi * torch.arange(32, dtype=torch.float64) / 32
    for k in (1, 3, 5):
        wave = torch.cos(k * site).reshape(1, 1, -1)
        factor = math.exp(-0.5 * (2 * math.pi * k / 32 * std) ** 2)
        assert torch.allclose(blur(wave, std, border="periodic"), factor * wave, atol=1e-7)


def test_reflect_is_periodic_on_the_mirrored_signal():
    x = signal(1, 1, 12)
    mirrored = torch.cat([x, x.flip(-1)], dim=-1)
    assert torch.allclose(blur(x, 2.0), blur(mirrored, 2.0, border="periodic")[..., :12], atol=1e-12)


def test_blurs_add_in_squares():
    x = signal(1, 1, 16, 16)
    assert torch.allclose(blur(blur(x, 1.5), 2.0), blur(x, 2.5), atol=1e-6)


def test_two_axes_are_one_after_the_other():
    x = signal(1, 3, 6, 10)
    rows = blur(x.permute(0, 2, 1, 3).reshape(6, 3, 10), 1.3).reshape(1, 6, 3, 10).permute(0, 2, 1, 3)
    both = blur(rows.permute(0, 3, 1, 2).reshape(10, 3, 6), 1.3).reshape(1, 10, 3, 6).permute(0, 2, 3, 1)
    assert torch.allclose(blur(x, 1.3), both, atol=1e-12)


@pytest.mark.parametrize("std", [-1.0, math.nan, math.inf])
def test_wrong_widths_are_refused(std):
    with pytest.raises(UsageError, match="blur: expects a finite width"):
        blur(signal(1, 1, 4), std)
