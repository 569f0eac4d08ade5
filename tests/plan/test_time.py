"""Time: planted rates are found again, intervals add up, and a calibration is kept."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.plan.test_rehearse import CASES, rehearse, scale_for

from dynaxx.plan.profile import Profile
from dynaxx.plan.time.calibrate import calibrate
from dynaxx.plan.time.clock import Fit, ProbedClock
from dynaxx.plan.time.features import group_of, is_alone, point_of
from dynaxx.plan.time.fitting import fitted
from dynaxx.plan.time.interval import NOTHING, Interval, in_turn
from dynaxx.plan.time.kept import calibrated, keep
from dynaxx.plan.time.stopwatch import seconds_of
from dynaxx.plan.time.surface import Surface


def planted(points: np.ndarray) -> np.ndarray:
    """Seconds at a rate that saturates with the widths, and a cost per call."""
    work, widths = np.exp(points.sum(1)), np.exp(points[:, :2]).min(1)
    return work / (5e10 * widths / (widths + 30)) + 5e-6


def test_a_surface_tells_rates_between_its_probes() -> None:
    rng = np.random.default_rng(0)
    points = np.log(
        np.stack(
            [rng.choice([4, 16, 64, 256], 40), rng.choice([8, 32, 128], 40), rng.choice([256, 4096, 65536], 40)], 1
        )
    )
    surface = Surface.of([tuple(p) for p in points], list(planted(points)))
    between = np.log(np.array([[32.0, 64.0, 1024.0], [100.0, 20.0, 10000.0], [8.0, 100.0, 30000.0]]))
    assert surface.at(between) == pytest.approx(planted(between), rel=0.25)
    assert surface.at(points) == pytest.approx(planted(points), rel=0.15)


def test_far_from_all_probes_a_surface_is_at_the_usual_rate() -> None:
    surface = Surface.of([(1.0, 1.0, 5.0), (2.0, 2.0, 6.0), (3.0, 1.0, 5.0)], [1e-3, 2e-2, 3e-3])
    far = np.array([[30.0, 30.0, 30.0]])
    usual = np.median(surface.logs - surface.points.sum(1))
    assert math.log(surface.at(far)[0]) == pytest.approx(usual + 90.0)


def test_planted_shares_are_found_and_the_spread_is_the_noise() -> None:
    rng = np.random.default_rng(1)
    sums = rng.uniform([1e-3, 0, 0, 1e-3, 100, 1e5], [5e-2, 1e-2, 1e-2, 2e-2, 800, 5e6], (40, 6))
    shares = np.array([0.9, 1.2, 1.0, 2.0, 1e-5, 3e-9])
    seconds = sums @ shares * np.exp(0.1 * rng.standard_normal(40))
    fit = fitted([(*row, took) for row, took in zip(sums.tolist(), seconds.tolist(), strict=True)])
    assert fit.spread == pytest.approx(0.1, rel=0.4)
    some = (0.02, 0.002, 0.003, 0.01, 400.0, 1e6)
    assert fit.seconds(some) == pytest.approx(float(np.array(some) @ shares), rel=0.1)


def test_a_share_is_never_negative() -> None:
    rows = [(1.0, 0.0, 0.0, float(i % 3), 1e5 * i, 0.0, 2.0 - 0.5 * (i % 3)) for i in range(1, 9)]
    assert min(fitted(rows).shares) >= 0


def test_what_networks_do_not_show_stays_as_it_usually_is() -> None:
    """No network attends: the share of attention is the usual one, whatever convolutions do."""
    usual = Fit(attention=1.3)
    rows = [(0.01 * i, 0.0, 0.0, 0.001, 100.0, 0.0, 0.02 * i + 0.001) for i in range(1, 7)]
    fit = fitted(rows, usual)
    assert fit.attention == pytest.approx(usual.attention)
    assert fit.conv > usual.conv


def test_intervals_add_up() -> None:
    one = Interval.around(2.0, 0.1)
    assert one.high / one.value == pytest.approx(one.value / one.low)
    both = one.plus(one.times(3))
    assert (both.low, both.value, both.high) == pytest.approx((4 * one.low, 8.0, 4 * one.high))
    assert in_turn([one, one.times(3)]) == both
    assert in_turn([]) == NOTHING


def test_a_convolutions_coordinates_multiply_to_its_work() -> None:
    flops = 2.0 * 32 * 64 * 9 * 4096
    assert sum(point_of("conv", (2, 32, 64, 3, 1, 0), flops, 0)) == pytest.approx(math.log(flops / 2))
    assert group_of("conv", (2, 32, 64, 3, 1, 1)) == "conv-2d-3-1-last"


def profile_of_one() -> Profile:
    spec, node = CASES["one axis"]
    return rehearse(node, spec.condition, scale_for(node), mode="sample")


def test_a_calibration_within_a_short_budget_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    device, said = torch.device("cpu"), list[str]()
    drawn = torch.get_rng_state()
    clock = calibrate(device, budget_s=1.0, on_probe=lambda what, used: said.append(what))
    assert torch.equal(torch.get_rng_state(), drawn)
    assert keep(clock, device)
    again = calibrated(device)
    assert isinstance(again, ProbedClock)
    profile = profile_of_one()
    both = [c.seconds(profile, profile.evaluations[1], 2, (256,)).value for c in (clock, again)]
    assert both[0] == pytest.approx(both[1])
    assert both[0] > 0
    assert "conv-2d-3-1" in said


@pytest.mark.parametrize("text", ["{", "{}", "[]", "3", '{"name": "x", "surfaces": {"mm": {}}}', '{"surfaces": []}'])
def test_a_damaged_calibration_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("DYNAXX_CACHE", str(tmp_path))
    device = torch.device("cpu")
    assert keep(ProbedClock("x", {"mm": Surface.of([(1.0, 1.0, 1.0)], [1e-3])}), device)
    assert calibrated(device) is not None
    (file,) = (tmp_path / "machines").glob("*.json")
    file.write_text(text, encoding="utf-8")
    assert calibrated(device) is None


def test_a_clock_starts_when_what_was_asked_for_before_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a GPU still is with the first call, which is not timed, when it returns."""
    did: list[str] = []
    monkeypatch.setattr("dynaxx.plan.time.stopwatch.synchronize", lambda device: did.append("waited"))
    seconds_of(lambda: did.append("worked"), torch.device("cpu"), slow_s=0.0)
    assert did == ["worked", "waited", "worked", "waited"]


@pytest.mark.parametrize(
    ("axes", "channels", "side", "batch", "stride"),
    [(2, 48, 16, 1, 1), (2, 48, 24, 1, 1), (2, 48, 16, 2, 1), (2, 20, 32, 1, 1), (2, 20, 32, 1, 2), (2, 8, 64, 1, 2),
     (3, 64, 16, 1, 1), (3, 96, 16, 1, 1), (3, 64, 8, 2, 1), (1, 16, 1024, 1, 1), (1, 32, 1024, 1, 1)],
)  # fmt: skip
def test_small_single_samples_are_those_that_torch_convolves_itself(axes, channels, side, batch, stride):
    """Against torch: which kernel does it call?"""
    convolve = {1: torch.conv1d, 2: torch.conv2d, 3: torch.conv3d}[axes]
    x, weight = torch.randn(batch, channels, *[side] * axes), torch.randn(8, channels, *[3] * axes)
    with torch.no_grad(), torch.profiler.profile() as told:
        y = convolve(x, weight, None, stride, 1)
    ours = any("slow_conv" in event.key or "thnn_conv" in event.key for event in told.key_averages())
    flops = 2.0 * weight.numel() * batch * y.shape[2] ** axes
    assert is_alone("conv", (axes, channels, 8, 3, stride, 0, 1), flops, batch) == ours
