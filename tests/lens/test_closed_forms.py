"""On exact cascades every probe that has a closed form equals it, and its intervals cover it as often as they say."""

from __future__ import annotations

from dataclasses import dataclass

import beds
import gaussian_modes as modes
import numpy as np
import pytest
import torch

from dynaxx.lens.bench import Bench
from dynaxx.lens.error_table import error_table
from dynaxx.lens.excuse import excused
from dynaxx.lens.gain import gains, wiener
from dynaxx.lens.low_matters import rise
from dynaxx.lens.reference import find
from dynaxx.lens.spectra import ownership
from dynaxx.lens.taps import Taps
from dynaxx.metrics.fidelity import mse
from dynaxx.metrics.means import mean_of
from dynaxx.metrics.spectrum import octaves, spectral_distance


@dataclass(frozen=True)
class Spectral:
    """The distance whose closed form is known: squared differences of expected power by band."""

    scale: dict[int, torch.Tensor]
    name: str = "spectral"

    def __call__(self, x, truth):
        edges = octaves(truth.shape[2:])
        return spectral_distance(x, truth[: len(x)], edges, reference=self.scale[truth.shape[-1]])


def bench_of(cascade, num, seed=0):
    """A bench whose scale of power is the exact one, held by signals that have it."""
    reference = find(cascade.spec, num, seed=seed)
    taps = Taps.of(cascade, reference, seed=seed)
    scale = {node.grid.size[-1]: with_power(node) for node in taps.graph}
    return Bench(taps, reference, yardstick=Spectral(scale))


def with_power(node):
    """Two signals whose mean power is exactly P in every mode."""
    power = modes.power(node.stage, node.grid.size)
    spectrum = np.sqrt(power) * np.exp(1j * np.pi / 4)
    signal = np.fft.ifft(np.sqrt(len(power)) * spectrum)
    both = np.stack([signal.real, signal.imag])
    return torch.tensor(both * np.sqrt(2), dtype=torch.float64)[:, None]


def band_means(power, size):
    """The expected power of each band from that of every mode."""
    from dynaxx.signal.bands import band_masks

    masks = band_masks(size, octaves(size))
    return np.array([power[mask.numpy()].mean() for mask in masks])


def expected(cascade, node, true):
    """The spectral distance in closed form."""
    size = node.grid.size
    ours = band_means(beds.mode_power(cascade, true)[node.name], size)
    theirs = band_means(modes.power(node.stage, size), size)
    return float((((ours - theirs) / theirs) ** 2).mean())


def test_the_error_table_equals_its_closed_form():
    cascade = beds.gaussian(steps=3)
    bench = bench_of(cascade, 600)
    table = error_table(bench)
    for j, row in enumerate(table.entries):
        true = tuple(table.names[:j])
        for node in bench.graph:
            found, due = row[node.name].interval(0.9999), expected(cascade, node, true)
            assert found.low <= due <= found.high
    assert table.score.interval().low > 0


def test_intervals_cover_the_truth_as_often_as_they_say():
    """1000 repetitions: E[0][K], the own error and a share of 128 samples, each covered in 93 to 97% of them."""
    repeat, each = 1000, 128
    cascade = beds.gaussian(steps=2)
    bench = bench_of(cascade, repeat * each)
    last, names = bench.last, [node.name for node in bench.graph]
    runs = [bench.taps.chain({name: bench.truths[name] for name in names[:j]})[last.name] for j in range(len(names))]
    due = [expected(cascade, last, tuple(names[:j])) for j in range(len(names))]
    hits = np.zeros(3)
    for part in range(repeat):
        rows = slice(part * each, (part + 1) * each)
        found = [bench.yardstick(x[rows], bench.truths[last.name][rows]) for x in (runs[0], runs[2])]
        share = found[0] - found[1]
        for i, (pairwise, value) in enumerate([(found[0], due[0]), (found[1], due[2]), (share, due[0] - due[2])]):
            interval = pairwise.interval()
            hits[i] += interval.low <= value <= interval.high
    covered = hits / repeat
    assert (covered >= 0.93).all(), covered
    assert (covered <= 0.97).all(), covered


def test_shares_sum_to_the_final_error():
    table = error_table(bench_of(beds.gaussian(), 64))
    total = sum((table.share[name].value for name in table.names), 0.0)
    assert total == pytest.approx(table.score.value - table.floor.value, abs=1e-12)
    assert table.floor.value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("std", [0.0, 0.1, 0.5])
def test_gain_by_band_is_that_of_the_exact_stage(std):
    """A change of the low input comes through by `mean gain x P / (P + std^2)`, mode by mode."""
    cascade = beds.gaussian(std=std, steps=8)
    bench = bench_of(cascade, 64)
    node = bench.later()[0]
    _, mean, kalman = beds.affine(node)
    low = node.inputs["low"].grid.size
    response = band_means(modes.place((mean * kalman).astype(complex), low).real * node.grid.size[0] / low[0], low)
    for gain in gains(bench, node, rows=64)[:-1]:  # the last band holds the Nyquist mode, which has no place above
        assert gain.own.value == pytest.approx(response[gain.band], abs=2e-3)
        assert gain.agrees
        assert gain.spill.value < 1e-3


def test_the_healthy_gain_is_wieners():
    bench = bench_of(beds.gaussian(std=0.3), 4000)
    node = bench.later()[0]
    size = node.inputs["low"].grid.size
    power = band_means(modes.power(node.stage, size), size)
    due = power / (power + 0.3**2 * size[0] / node.grid.size[0])
    assert wiener(bench, node)[:-1] == pytest.approx(due[:-1], rel=0.05)


def test_a_stage_strays_as_far_as_its_noise_excuses_and_no_further():
    bench = bench_of(beds.gaussian(std=0.3, steps=200, kind="dpmpp-2m"), 1000)
    node = bench.later()[0]
    low = bench.low_of(node)
    astray = mean_of(mse(bench.down(bench.own(node), node), low)).interval()
    assert astray.value == pytest.approx(excused(node, low), rel=0.08)


def test_the_rise_with_shuffled_inputs_is_that_of_the_posterior():
    """x_hat = K low: wrong by P (1 - K) with one's own input, by P + K^2 (P + s^2) with another's."""
    bench = bench_of(beds.gaussian(std=0.3), 2000)
    node = bench.later()[0]
    prior = modes.power(node.stage, node.grid.size)
    _, _, kalman = beds.affine(node)
    own = (prior * (1 - kalman)).mean()
    other = (prior + kalman**2 * (prior + 0.3**2)).mean()
    assert rise(bench, node, rows=2000).value == pytest.approx(other / own, rel=0.08)


def test_what_stages_own_sums_to_the_final_spectrum():
    bench = bench_of(beds.gaussian(), 64)
    curve = ownership(bench).curves[0]
    total = np.sum([line.y for line in curve.series if line.role == "measured"], axis=0)
    from dynaxx.metrics.spectrum import band_power

    final = band_power(bench.chain["refine"], octaves(bench.last.grid.size)).mean(0).numpy()
    assert total == pytest.approx(final, rel=1e-5)
