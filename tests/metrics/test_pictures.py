"""What compares two pictures: against torchmetrics, and moving one way with the fault."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import signal
from torch import Tensor
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

from dynaxx.errors import UsageError
from dynaxx.metrics.colour import channel_drift, colour_drift, contrast_ratio, lab
from dynaxx.metrics.fidelity import mse, psnr
from dynaxx.metrics.structure import ms_ssim, scales, ssim
from dynaxx.signal.blur import blur
from dynaxx.signal.resample import resample


def noisy(x: Tensor, std: float) -> Tensor:
    return x + std * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))


def test_psnr_is_torchmetrics(pictures: Tensor) -> None:
    x, y = pictures[:8], noisy(pictures[:8], 0.1)
    theirs = [peak_signal_noise_ratio(a, b, data_range=2.0) for a, b in zip(x, y, strict=True)]
    assert torch.allclose(psnr(x, y).float(), torch.stack(theirs), atol=1e-4)
    assert psnr(x, x).tolist() == [math.inf] * 8
    assert float(mse(torch.ones(1, 1, 4), -torch.ones(1, 1, 4))) == 4.0


def test_ssim_is_torchmetrics(pictures: Tensor) -> None:
    x, y = pictures[:8], noisy(pictures[:8], 0.2)
    padded = structural_similarity_index_measure(x.double(), y.double(), data_range=2.0, return_full_image=True)[1]
    assert torch.allclose(ssim(x, y), padded[..., 5:-5, 5:-5].flatten(1).mean(dim=1), atol=1e-10)


def test_ssim_in_three_axes_is_torchmetrics() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(2, 1, 14, 15, 16, generator=generator, dtype=torch.float64) * 2 - 1
    y = (x + 0.3 * torch.randn(x.shape, generator=generator, dtype=torch.float64)).clamp(-1, 1)
    full = structural_similarity_index_measure(x, y, data_range=2.0, return_full_image=True)[1]
    assert torch.allclose(ssim(x, y), full[..., 5:-5, 5:-5, 5:-5].flatten(1).mean(dim=1), atol=1e-10)


def test_ssim_on_one_axis_is_numpys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(30), rng.standard_normal(30)
    w = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    w /= w.sum()
    smooth = lambda z: np.convolve(z, w, mode="valid")  # noqa: E731
    ma, mb = smooth(a), smooth(b)
    va, vb, c = smooth(a * a) - ma**2, smooth(b * b) - mb**2, smooth(a * b) - ma * mb
    expected = ((2 * ma * mb + 0.02**2) * (2 * c + 0.06**2)) / ((ma**2 + mb**2 + 0.02**2) * (va + vb + 0.06**2))
    found = ssim(torch.tensor(a)[None, None], torch.tensor(b)[None, None])
    assert float(found) == pytest.approx(expected.mean(), abs=1e-12)


def by_the_paper(x: np.ndarray, y: np.ndarray, weights: tuple[float, ...]) -> float:
    """Multi-scale SSIM of one channel, with scipy's filters, from the paper's equation 7."""
    w = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    smooth = lambda z: signal.convolve2d(z, np.outer(w, w) / w.sum() ** 2, mode="valid")  # noqa: E731
    product = 1.0
    for scale, weight in enumerate(weights):
        mx, my = smooth(x), smooth(y)
        vx, vy, c = smooth(x * x) - mx**2, smooth(y * y) - my**2, smooth(x * y) - mx * my
        structure = (2 * c + 0.06**2) / (vx + vy + 0.06**2)
        luminance = (2 * mx * my + 0.02**2) / (mx**2 + my**2 + 0.02**2)
        last = scale == len(weights) - 1
        product *= float(np.mean(structure * luminance if last else structure)) ** weight
        if last:
            break
        x, y = (z[0::2, 0::2] / 4 + z[1::2, 0::2] / 4 + z[0::2, 1::2] / 4 + z[1::2, 1::2] / 4 for z in (x, y))
    return product


def test_ms_ssim_is_the_papers(pictures: Tensor) -> None:
    x = resample(pictures[:1].double(), (192, 176), "bicubic")
    y = (x + 0.3 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).clamp(-1, 1)
    weights = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    expected = [
        by_the_paper(a.numpy(), b.numpy(), tuple(w / sum(weights) for w in weights))
        for a, b in zip(x[0], y[0], strict=True)
    ]
    assert float(ms_ssim(x, y)) == pytest.approx(np.mean(expected), abs=1e-9)
    theirs = multiscale_structural_similarity_index_measure(x, y, data_range=2.0, normalize="relu")
    assert float(theirs) == pytest.approx(np.mean(expected), abs=0.02)  # theirs reaches over the border


@pytest.mark.parametrize(("side", "count"), [(11, 1), (21, 1), (22, 2), (64, 3), (175, 4), (176, 5), (1024, 5)])
def test_as_many_scales_as_fit(side: int, count: int) -> None:
    assert scales(side) == count


@pytest.mark.parametrize("metric", [psnr, ssim, ms_ssim])
def test_they_fall_with_noise_and_with_blur(metric, pictures: Tensor) -> None:
    for faulty in ([noisy(pictures, s) for s in (0.02, 0.1, 0.3, 0.8)], [blur(pictures, s) for s in (0.4, 0.8, 1.6)]):
        scores = [float(metric(pictures, x).mean()) for x in faulty]
        assert scores == sorted(scores, reverse=True)
    if metric is not psnr:
        assert torch.allclose(metric(pictures, pictures), torch.ones(len(pictures), dtype=torch.float64))


def test_lab_is_that_of_the_standard() -> None:
    """Colours whose Lab values are published for sRGB's primaries under D65."""
    primaries = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1], [-1, -1, -1]])[..., None]
    known = torch.tensor(
        [[53.24, 80.09, 67.20], [87.73, -86.18, 83.18], [32.30, 79.19, -107.86], [100, 0, 0], [0, 0, 0]]
    )
    assert torch.allclose(lab(primaries)[..., 0].float(), known, atol=0.02)


def test_drift_rises_with_the_cast_and_knows_no_size(pictures: Tensor) -> None:
    casts = [pictures + torch.tensor([c, 0.0, -c]).reshape(1, 3, 1, 1) for c in (0.0, 0.02, 0.08, 0.3)]
    drifts = [float(colour_drift(x.clamp(-1, 1), pictures).mean()) for x in casts]
    assert drifts == sorted(drifts)
    assert drifts[0] == 0
    assert torch.allclose(channel_drift(casts[2], pictures).mean(dim=0), torch.tensor([0.08, 0, -0.08]).double())
    small = resample(pictures, (16, 16), "area")
    assert float(channel_drift(small, pictures).abs().max()) < 1e-6


def test_squeezed_contrast_is_its_ratio(pictures: Tensor) -> None:
    assert torch.allclose(contrast_ratio(0.6 * pictures + 0.1, pictures), torch.full((len(pictures),), 0.6).double())


def test_pairs_of_other_shapes_are_refused() -> None:
    with pytest.raises(UsageError, match="one shape"):
        psnr(torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 9))
    with pytest.raises(UsageError, match="at least 11 sites"):
        ms_ssim(torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8))
    with pytest.raises(UsageError, match="three channels"):
        lab(torch.zeros(2, 1, 8, 8))
