"""Resampling equals torch's and Pillow's kernels, is linear and separable, and `fourier` is an exact projection."""

from __future__ import annotations

from itertools import permutations
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dynaxx.errors import UsageError
from dynaxx.signal.blur import blur
from dynaxx.signal.resample import KERNELS, matrix, resample
from dynaxx.spec.edge import Kernel

TORCH = {
    "nearest": {"mode": "nearest"},
    "area": {"mode": "area"},
    "bilinear": {"mode": "bilinear"},
    "bilinear-antialias": {"mode": "bilinear", "antialias": True},
    "bilinear-corners": {"mode": "bilinear", "align_corners": True},
    "bicubic": {"mode": "bicubic"},
    "bicubic-antialias": {"mode": "bicubic", "antialias": True},
}
PILLOW = {
    "bilinear-antialias": Image.Resampling.BILINEAR,
    "bicubic-antialias": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
SIZES = [(8, 16), (16, 8), (13, 20), (20, 13), (64, 5), (3, 32), (7, 1), (1, 5)]
sizes = st.integers(1, 24)
kernels = st.sampled_from(sorted(KERNELS))


def signal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_every_kernel_of_the_spec_exists():
    assert set(KERNELS) == set(get_args(Kernel))


@pytest.mark.parametrize("kernel", TORCH)
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_equals_torch(kernel, before, after):
    x = signal(2, 3, before, 12)
    assert torch.allclose(resample(x, (after, 17), kernel), F.interpolate(x, (after, 17), **TORCH[kernel]), atol=1e-9)


@pytest.mark.parametrize("kernel", PILLOW)
@pytest.mark.parametrize(("before", "after"), SIZES)
def test_equals_pillow(kernel, before, after):
    x = signal(1, 1, before, 12)
    picture = Image.fromarray(x[0, 0].float().numpy())
    theirs = torch.from_numpy(np.array(picture.resize((17, after), PILLOW[kernel])))
    assert torch.allclose(resample(x, (after, 17), kernel)[0, 0].float(), theirs, atol=2e-6)


@settings(max_examples=100, deadline=None)
@given(kernels, sizes, sizes)
def test_rows_sum_to_one_and_equal_sizes_change_nothing(kernel, before, after):
    assert torch.allclose(matrix(before, after, kernel).sum(dim=1), torch.ones(after, dtype=torch.float64), atol=1e-12)
    x = signal(1, 1, before)
    assert torch.equal(resample(x, (before,), kernel), x)


@pytest.mark.parametrize("kernel", KERNELS)
def test_three_axes_are_three_times_one_axis_in_any_order(kernel):
    x = signal(2, 3, 5, 8, 6)
    ours = resample(x, (10, 4, 7), kernel)
    assert ours.shape == (2, 3, 10, 4, 7)
    for order in permutations(range(3)):
        y = x
        for axis in order:
            rows = y.movedim(2 + axis, -1)
            y = resample(rows.reshape(1, -1, rows.shape[-1]), ((10, 4, 7)[axis],), kernel)
            y = y.reshape(*rows.shape[:-1], -1).movedim(-1, 2 + axis)
        assert torch.allclose(y, ours, atol=1e-12)


def test_a_kernel_per_axis():
    x = signal(1, 1, 4, 6)
    both = resample(resample(x, (8, 6), "nearest"), (8, 3), "area")
    assert torch.allclose(resample(x, (8, 3), ("nearest", "area")), both, atol=1e-14)


@pytest.mark.parametrize("kernel", KERNELS)
def test_is_linear(kernel):
    x, y = signal(2, 1, 9, 9).split(1)
    mixed = resample(2 * x - 3 * y, (14, 5), kernel)
    assert torch.allclose(mixed, 2 * resample(x, (14, 5), kernel) - 3 * resample(y, (14, 5), kernel), atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24))
def test_fourier_up_after_down_is_the_orthogonal_projection_on_the_low_modes(a, b):
    low, high = sorted((a, b))
    if low == high:
        return
    projection = matrix(low, high, "fourier") @ matrix(high, low, "fourier")
    k = torch.fft.fftfreq(high, 1 / high, dtype=torch.float64)
    eye = torch.eye(high, dtype=torch.float64)
    ideal = torch.fft.ifft(torch.fft.fft(eye, dim=0) * (k.abs() < low / 2)[:, None], dim=0).real
    assert torch.allclose(projection, ideal, atol=1e-12)
    assert torch.allclose(projection @ projection, projection, atol=1e-12)


@pytest.mark.parametrize(("low", "high"), [(7, 12), (9, 27), (1, 4), (15, 64)])
def test_fourier_down_after_up_is_the_identity(low, high):
    down_up = matrix(high, low, "fourier") @ matrix(low, high, "fourier")
    assert torch.allclose(down_up, torch.eye(low, dtype=torch.float64), atol=1e-12)


def test_fourier_drops_the_nyquist_mode_of_an_even_smaller_grid():
    alternating = torch.tensor([1.0, -1.0] * 4, dtype=torch.float64).reshape(1, 1, 8)
    assert resample(alternating, (16,), "fourier").abs().max() < 1e-12
    x = signal(1, 1, 8)
    without = x - alternating * (x * alternating).mean()
    assert torch.allclose(resample(resample(x, (16,), "fourier"), (8,), "fourier"), without, atol=1e-12)


def test_fourier_keeps_values():
    """A wave below Nyquist is the same wave on any grid, site 0 on site 0."""
    for n in (9, 16, 40):
        site = torch.arange(n, dtype=torch.float64) * 2 * torch.pi / n
        wave = (2 + torch.cos(3 * site) - torch.sin(site)).reshape(1, 1, n)
        fine = torch.arange(50, dtype=torch.float64) * 2 * torch.pi / 50
        assert torch.allclose(
            resample(wave, (50,), "fourier")[0, 0], 2 + torch.cos(3 * fine) - torch.sin(fine), atol=1e-12
        )


def test_dtype_is_kept():
    assert resample(signal(1, 1, 8).bfloat16(), (4,), "area").dtype == torch.bfloat16


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(UsageError, match=r"unknown kernel 'box'\. Choose one of nearest, area"):
        resample(signal(1, 1, 8), (4,), "box")
    with pytest.raises(UsageError, match=r"size \(4, 4\)"):
        resample(signal(1, 1, 8), (4, 4), "area")


def test_a_kept_matrix_serves_gradients_after_inference():
    x = torch.rand(1, 1, 6)
    with torch.inference_mode():
        blur(resample(x, (9,), "lanczos"), 0.77)
    x.requires_grad_()
    blur(resample(x, (9,), "lanczos"), 0.77).sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(("x", "size"), [(torch.ones(1, 1, 4, dtype=torch.int64), (8,)), (torch.ones(1, 1, 4), (0,))])
def test_what_cannot_be_resampled_is_refused(x, size):
    with pytest.raises(UsageError, match="Give floats, and sizes above 0"):
        resample(x, size, "area")
