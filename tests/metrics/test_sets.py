"""Features, Frechet distances, families and accumulators."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from tests.metrics.gaussian_sets import normal
from torch import Tensor, nn

from dynaxx.errors import UsageError
from dynaxx.metrics.accumulate import Moments, Rows
from dynaxx.metrics.builtin import Builtin
from dynaxx.metrics.family import bonferroni, holm
from dynaxx.metrics.features import Standard, TorchFeatures
from dynaxx.metrics.frechet import frechet, frechet_debiased, frechet_of, principal
from dynaxx.metrics.kernels import Gaussian
from dynaxx.metrics.means import mean_difference, mean_of, ratio_of_means
from dynaxx.metrics.mmd import mmd2
from dynaxx.signal.blur import blur

RECORDED = 31.80438
"""The norm of the built-in features of a ramp."""


@pytest.mark.parametrize("size", [(64,), (16, 16), (8, 24), (4, 8, 8), (1,), (2, 2), (1, 2, 3)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_builtin_features_take_every_grid(size: tuple[int, ...], channels: int) -> None:
    x = normal(5, channels, *size, seed=0).float()
    features = Builtin()(x)
    assert features.ndim == 2
    assert torch.isfinite(features).all()
    assert torch.allclose(Builtin(batch_size=2)(x), features, atol=1e-5)


def test_builtin_features_are_the_same_everywhere() -> None:
    """Recorded once: another release of torch, or another machine, answers with the same numbers."""
    x = torch.linspace(-1, 1, 3 * 16 * 16).reshape(1, 3, 16, 16)
    features = Builtin()(x)[0]
    assert len(features) == 252
    assert float(features.double().norm()) == pytest.approx(RECORDED, rel=1e-5)


def faults(x: Tensor, strength: float) -> dict[str, Tensor]:
    patched = x.clone()
    side = round(strength * 16)
    patched[..., 8 : 8 + side, 8 : 8 + side] = 0
    flipped, swapped = x[:, [2, 1, 0]], round(strength * len(x))
    return {
        "cast": x + strength * torch.tensor([0.3, 0.0, -0.3]).reshape(1, 3, 1, 1),
        "blur": blur(x, 1.5 * strength),
        "noise": x + 0.3 * strength * normal(*x.shape, seed=1).float(),
        "contrast": x * (1 - 0.6 * strength),
        "patch": patched,
        "channels": torch.cat([x[: len(x) - swapped], flipped[len(x) - swapped :]]),
    }


@pytest.mark.parametrize("fault", ["cast", "blur", "noise", "contrast", "patch", "channels"])
def test_the_distance_rises_with_every_fault(fault: str, pictures: Tensor) -> None:
    """One half of the pictures against the other; at full strength the fault is beyond its interval."""
    ours, theirs = pictures[::2], pictures[1::2]
    scale = Standard.of(Builtin()(theirs))
    reference = scale(Builtin()(theirs))
    kernel = Gaussian.of(reference)
    found = [mmd2(scale(Builtin()(faults(ours, s)[fault])), reference, kernel) for s in (0.0, 0.5, 0.75, 1.0)]
    assert [pairs.value for pairs in found] == sorted(pairs.value for pairs in found)
    assert (found[-1] - found[0]).estimate.p_value() < 0.01


def test_any_module_is_an_extractor(pictures: Tensor) -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2))
    extract = TorchFeatures(module, "small", size=(20, 20), prepare=lambda x: x / 2 + 0.5, batch_size=10)
    features = extract(pictures)
    assert features.shape == (len(pictures), 16)
    assert torch.equal(features, extract(pictures))
    with pytest.raises(UsageError, match="'sum'.*to 4 samples"):
        TorchFeatures(lambda x: x.sum(), "sum")(pictures[:4])


def test_the_scale_is_that_of_the_reference() -> None:
    reference = normal(50, 4, seed=0) * torch.tensor([1.0, 5.0, 0.1, 0.0])
    scaled = Standard.of(reference)(reference)
    assert torch.allclose(scaled[:, :3].std(dim=0), torch.ones(3).double())
    assert torch.isfinite(scaled).all()
    with pytest.raises(UsageError, match="equal samples"):
        Standard.of(torch.ones(5, 2))


def test_frechet_is_scipys() -> None:
    a, b = normal(80, 6, seed=0) @ normal(6, 6, seed=1), normal(80, 6, seed=2) + 0.5
    ca, cb = np.cov(a.numpy().T), np.cov(b.numpy().T)
    expected = float((a.mean(0) - b.mean(0)).square().sum()) + np.trace(ca + cb - 2 * linalg.sqrtm(ca @ cb).real)
    assert frechet(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet_of(a.mean(0), torch.tensor(ca), b.mean(0), torch.tensor(cb)) == pytest.approx(expected, rel=1e-8)


def test_frechet_is_debiased() -> None:
    """Sets of 60: the plain distance is far too large, the debiased one right within its error."""
    d, std = 6, 1.3
    truth = d * (std - 1) ** 2
    pairs = [(std * normal(60, d, seed=2 * i), normal(60, d, seed=2 * i + 1)) for i in range(30)]
    plain, found = [frechet(*pair) for pair in pairs], [frechet_debiased(*pair) for pair in pairs]
    values = [estimate.value for estimate in found]
    assert np.mean(plain) > 1.3 * truth
    assert abs(np.mean(values) - truth) < 0.1 * (np.mean(plain) - truth) + 3 * np.std(values) / math.sqrt(30)
    assert np.mean([not estimate.interval().excludes(truth) for estimate in found]) > 0.85


def test_frechet_of_few_samples_is_refused() -> None:
    with pytest.raises(UsageError, match="needs at least 128 samples for 64 features, but got 100"):
        frechet_debiased(normal(100, 64, seed=0), normal(100, 64, seed=1))
    reference = normal(100, 64, seed=1) @ normal(64, 64, seed=2)
    few = principal(reference, 8)
    assert torch.allclose((reference @ few).T.cov(), torch.eye(8).double(), atol=1e-8)
    assert frechet_debiased(reference @ few, reference @ few).value == pytest.approx(0, abs=1e-8)


def test_ratios_and_differences_of_means() -> None:
    a = normal(200, seed=0)
    assert mean_difference(a + 0.3, a).interval().low == pytest.approx(0.3)
    found = ratio_of_means(2 * a + 10, a + 5)
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))
    assert ratio_of_means(a + 5, a).low == -math.inf
    with pytest.raises(UsageError, match="at least 2 samples"):
        mean_of(torch.zeros(1))


def test_intervals_of_means_cover() -> None:
    x, y = normal(1000, 12, seed=3), normal(1000, 12, seed=4)
    covered = [not mean_of(row).interval().excludes(0.0) for row in x]
    ratios = [not ratio_of_means(a + 3, 0.5 * b + 0.2 * a + 2).excludes(1.5) for a, b in zip(x, y, strict=True)]
    assert 0.93 <= np.mean(covered) <= 0.97
    assert 0.93 <= np.mean(ratios) <= 0.97


def test_holm_is_the_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert bonferroni(0.95, 5) == pytest.approx(0.99)
    with pytest.raises(UsageError, match="p-values in"):
        holm([1.2])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_lies_between_nothing_and_bonferroni(p: list[float]) -> None:
    for raw, adjusted in zip(p, holm(p), strict=True):
        assert raw <= adjusted <= 1.0
        assert adjusted <= max(min(1.0, len(p) * q) for q in p if q <= raw) + 1e-12


def test_a_false_alarm_is_as_rare_as_promised() -> None:
    rng = np.random.default_rng(0)
    alarms = sum(min(holm(list(rng.uniform(size=20)))) <= 0.05 for _ in range(2000))
    assert alarms / 2000 == pytest.approx(0.05, abs=0.015)


def test_rows_come_in_the_order_of_ids() -> None:
    x, one, two = normal(6, 3, seed=0), Rows(), Rows()
    one.add((4, 0), x[[4, 0]])
    two.add((5, 1, 3, 2), x[[5, 1, 3, 2]])
    one.merge(two)
    assert torch.equal(one.tensor(), x)
    assert one.ids == tuple(range(6))
    with pytest.raises(UsageError, match="sample 3 was measured already"):
        one.add((3,), x[:1])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=5))
def test_moments_do_not_depend_on_the_batches(sizes: list[int]) -> None:
    x = normal(sum(sizes), 3, seed=0) + 1000
    parts = [Moments() for _ in range(2)]
    for i, batch in enumerate(x.split(sizes)):
        parts[i % 2].add(batch)
    parts[0].merge(parts[1])
    assert torch.allclose(parts[0].mean, x.mean(dim=0))
    assert torch.allclose(parts[0].covariance, x.T.cov(), atol=1e-8)
    assert parts[0].estimates()[0].variance == pytest.approx(float(x[:, 0].var()) / len(x))
