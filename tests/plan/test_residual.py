"""Residuals: nothing changes without one, a planted one is found, its spread holds, and far away it knows nothing."""

from __future__ import annotations

import itertools
import json
import math

import numpy as np
import pytest

from dynaxx.plan.time.clock import Fit
from dynaxx.plan.time.fitting import Timed, with_residual
from dynaxx.plan.time.interval import Z90, Interval
from dynaxx.plan.time.kernel import USUAL, Kernel, chosen
from dynaxx.plan.time.residual import DRIFT, Residual, coordinates, drift_of
from dynaxx.plan.time.shapes import SHAPES, shapes

SHARES = (1.1, 1.0, 1.1, 2.0, 1e-5, 0.0)
SUMS = (0.02, 0.0, 0.01, 0.005, 500.0, 1e6)


def made_up(count: int, seed: int) -> tuple[list[Timed], list[float]]:
    """Networks whose time is off by what depends on their parameters alone, up to noise of 0.05; and the truth."""
    rng, timed, truth = np.random.default_rng(seed), list[Timed](), list[float]()
    for _ in range(count):
        parameters = math.exp(rng.uniform(math.log(1e4), math.log(1e7)))
        sums = (rng.uniform(0.005, 0.05), 0.0, 0.0, rng.uniform(0.001, 0.01), rng.uniform(200, 600), parameters)
        real = Fit(*SHARES).seconds(sums) * math.exp(0.3 * math.sin(math.log(parameters)))
        truth.append(real)
        timed.append(Timed(sums, real * math.exp(0.05 * rng.standard_normal()), 2, (16, 16)))
    return timed, truth


def errors(fit: Fit, timed: list[Timed], truth: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """ln(real / told), and which intervals hold what was measured."""
    told = [fit.told(one.sums, one.batch, one.size) for one in timed]
    wrong = np.array([math.log(real / each.value) for real, each in zip(truth, told, strict=True)])
    return wrong, np.array([each.low <= one.took_s <= each.high for one, each in zip(timed, told, strict=True)])


def test_without_a_residual_a_fit_tells_what_its_shares_say() -> None:
    fit = Fit(*SHARES, spread=0.2)
    assert fit.told(SUMS, 4, (32, 32)) == Interval.around(fit.seconds(SUMS), 0.2)


def test_a_residual_of_one_coordinate_is_found_and_its_intervals_hold() -> None:
    bare = Fit(*SHARES, spread=0.22)
    fit = with_residual(bare, made_up(80, 0)[0])
    timed, truth = made_up(400, 1)
    before, _ = errors(bare, timed, truth)
    after, held = errors(fit, timed, truth)
    assert np.sqrt(np.mean(after**2)) < 0.5 * np.sqrt(np.mean(before**2))
    assert 0.86 < held.mean() < 0.99
    widths = [math.log(fit.told(one.sums, 2, (16, 16)).high / fit.told(one.sums, 2, (16, 16)).value) for one in timed]
    assert np.median(widths) < 0.6 * Z90 * bare.spread


def test_intervals_hold_nine_times_in_ten_of_draws_from_the_process() -> None:
    """Residuals drawn with one half explained; what drift adds is taken out of nothing, so the share is a bit above."""
    rng, held = np.random.default_rng(3), list[bool]()
    for _ in range(20):
        where = rng.normal(0, 1, (90, 9)) * [1.0, 0.7, 0, 0, 0, 0, 0, 1.0, 1.0]
        covariance = Kernel().between(where, where) + Kernel().noise * np.eye(90)
        drawn = 0.2 * np.linalg.cholesky(covariance) @ rng.standard_normal(90)
        residual = Residual.of([tuple(p) for p in where[:60]], list(drawn[:60]), 0.2)
        for point, real in zip(where[60:], drawn[60:], strict=True):
            shift, spread = residual.at(tuple(point))
            held.append(abs(real - shift) <= Z90 * spread)
    assert 0.87 < np.mean(held) < 0.95


def test_a_network_of_its_own_is_told_by_the_formula() -> None:
    """One network, asked at itself: k = 1 - w, K = 1, so that the shift is (1 - w) r and the rest is w (2 - w)."""
    point, spread = coordinates(SUMS, SHARES, 2, (16, 16)), 0.2
    residual = Residual.of([point], [0.1], spread)
    assert Residual.from_json(json.loads(json.dumps(residual.to_json()))).at(point) == residual.at(point)
    weight = residual.kernel.noise
    shift, left = residual.at(point)
    assert shift == pytest.approx((1 - weight) * 0.1)
    assert left == pytest.approx(min(spread, math.sqrt(spread**2 * weight * (2 - weight) + DRIFT**2)))


def test_an_unsteady_machine_is_told_less_surely() -> None:
    """Neighbours that come and go between parts of a calibration count, what single timings vary by does not."""
    rng, levels = np.random.default_rng(2), np.array([0.0, 0.1, -0.1, 0.05, -0.05])
    single = 0.05 * rng.standard_normal((5, 4000))
    assert drift_of([0.02] * 50) == drift_of([]) == DRIFT
    assert drift_of(list(0.02 * np.exp(single.flatten()))) == pytest.approx(DRIFT, rel=0.01)
    busy_times = list(0.02 * np.exp((levels[:, None] + single).flatten()))
    assert drift_of(busy_times) == pytest.approx(math.hypot(DRIFT, levels.std(ddof=1)), rel=0.01)
    steady, busy = (Residual.of([(0.0,) * 9], [0.1], 0.5, drift).at((0.0,) * 9) for drift in (0.06, 0.15))
    assert steady[0] == busy[0]
    assert busy[1] ** 2 - steady[1] ** 2 == pytest.approx(0.15**2 - 0.06**2)


def test_far_from_all_networks_there_is_no_shift_and_the_full_spread() -> None:
    residual = with_residual(Fit(*SHARES, spread=0.22), made_up(60, 0)[0]).residual
    assert residual is not None
    shift, spread = residual.at((40.0, 9.0, 1.0, 0.0, 0.0, 0.0, 9.0, 40.0, 60.0))
    assert shift == pytest.approx(0.0, abs=1e-9)
    assert spread == 0.22


def test_residuals_without_a_pattern_are_taken_for_noise() -> None:
    rng = np.random.default_rng(5)
    points = [tuple(p) for p in rng.normal(0, 1, (80, 9))]
    residual = Residual.of(points, list(0.1 * rng.standard_normal(80)), 0.1)
    shifts = [residual.at(point)[0] for point in points]
    assert np.sqrt(np.mean(np.square(shifts))) < 0.05


def test_a_kernel_reaches_far_along_what_tells_nothing_and_not_along_what_does() -> None:
    rng = np.random.default_rng(11)
    points = rng.uniform(-2, 2, (60, 9))
    kernel = chosen(points, np.sin(2 * points[:, 8]) / 0.7 + 0.1 * rng.standard_normal(60))
    relative = np.array(kernel.reaches) / np.array(USUAL)
    assert relative[8] <= 1
    assert np.median(relative[:8]) >= 2
    assert kernel.noise <= 0.3


def test_the_density_of_networks_left_out_is_that_of_leaving_each_out() -> None:
    rng = np.random.default_rng(13)
    points, rests, kernel = rng.normal(0, 1, (12, 9)), rng.standard_normal(12), Kernel(noise=0.3)
    total = 0.0
    for i in range(12):
        others = [j for j in range(12) if j != i]
        near, inverse = kernel.between(points[[i]], points[others])[0], kernel.inverse(points[others])
        variance = 1 - near @ inverse @ near
        total -= 0.5 * (np.log(variance) + (rests[i] - near @ inverse @ rests[others]) ** 2 / variance)
    assert kernel.log_density(points, rests) == pytest.approx(total)


def test_coordinates_do_not_depend_on_the_number_of_steps() -> None:
    many = tuple(12 * part for part in SUMS)
    assert coordinates(many, SHARES, 4, (64,)) == pytest.approx(coordinates(SUMS, SHARES, 4, (64,)))


def test_a_fit_survives_json() -> None:
    fit = with_residual(Fit(*SHARES, spread=0.22), made_up(40, 0)[0])
    for one in (fit, Fit()):
        again = Fit.from_json(json.loads(json.dumps(one.to_json())))
        assert again.told(SUMS, 4, (32, 32)) == one.told(SUMS, 4, (32, 32))


def test_networks_are_the_chosen_ones_then_the_same_diverse_ones_every_time() -> None:
    some, again = (list(itertools.islice(shapes(), 80)) for _ in range(2))
    assert some == again
    assert tuple(some[: len(SHAPES)]) == SHAPES
    assert len(set(some)) > 70
    assert {len(shape.size) for shape in some} == {1, 2, 3}
    for shape in some:
        assert all(side % 2 ** (len(shape.mults) - 1) == 0 for side in shape.size)
