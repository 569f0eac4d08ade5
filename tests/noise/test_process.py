"""Processes: their forms, ends, inverses, shifts, paths of levels, and diffusers' own tables."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dynaxx.errors import UsageError
from dynaxx.noise.level import CLEAN
from dynaxx.noise.process import Process, make_process
from dynaxx.noise.told import told
from dynaxx.spec.grid import Grid
from dynaxx.spec.process import (
    CosineProcess,
    DdpmLinearProcess,
    FlowProcess,
    KarrasProcess,
    ProcessSpec,
    SigmoidProcess,
    TruncatedProcess,
)

GRID = Grid(3, (96, 96))
SPECS: list[ProcessSpec] = [
    CosineProcess(),
    CosineProcess(reference=(32, 32)),
    SigmoidProcess(),
    SigmoidProcess(start=0, end=3, temperature=0.7),
    DdpmLinearProcess(),
    DdpmLinearProcess(betas="scaled-linear", beta_start=0.00085, beta_end=0.012, reference=(64, 64)),
    KarrasProcess(),
    FlowProcess(),
    FlowProcess(reference=(32, 32)),
    TruncatedProcess(start=0.3),
    TruncatedProcess(start=0.1, end=0.02),
]
each = pytest.mark.parametrize("spec", SPECS, ids=lambda s: f"{s.kind}{SPECS.index(s)}")
processes = st.sampled_from([make_process(spec, GRID) for spec in SPECS])


@given(processes, st.floats(0, 1))
def test_every_level_keeps_its_form(process: Process, t: float):
    level = process.level(t)
    match process.form:
        case "preserving":
            assert math.isclose(level.alpha**2 + level.sigma**2, 1, rel_tol=1e-12)
        case "exploding":
            assert level.alpha == 1
        case "interpolating":
            assert math.isclose(level.alpha + level.sigma, 1, rel_tol=1e-12)
        case "truncated":
            assert level.alpha + level.beta == pytest.approx(1)
    assert level.beta == (t if process.form == "truncated" else 0)
    assert level.std == pytest.approx(process.std(t), rel=1e-12)


@given(processes, st.floats(0, 1), st.floats(0, 1))
def test_std_increases(process: Process, a: float, b: float):
    low, high = sorted((a, b))
    assert process.std(low) <= process.std(high)
    if high - low > 1e-3 and process.std(high) < process.std_high and process.std(low) > process.std_low:
        assert process.std(low) < process.std(high)


@given(processes, st.floats(0.001, 0.999))
def test_t_of_std_is_the_inverse(process: Process, t: float):
    std = process.std(t)
    back = process.t_of_std(std)
    assert process.std(back) == pytest.approx(std, rel=1e-9)
    if process.std_low < std < process.std_high:
        assert back == pytest.approx(t, abs=1e-12)


@each
def test_ends_are_finite_and_beyond_them_t_stays(spec):
    process = make_process(spec, GRID)
    for t in (0.0, 1.0):
        level = process.level(t)
        assert math.isfinite(level.alpha)
        assert math.isfinite(level.sigma)
    assert process.t_of_std(math.inf) == 1
    assert process.t_of_std(0.0) == 0


@each
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_tensors_agree_with_numbers(spec, dtype):
    process = make_process(spec, GRID)
    ts = [0.0, 1e-4, 0.1, 0.25, 0.5, 0.77, 0.999, 1.0]
    level = process.level(torch.tensor(ts, dtype=dtype).reshape(-1, 1, 1))
    for name in ("alpha", "sigma", "beta"):
        got = torch.as_tensor(getattr(level, name), dtype=dtype).expand(len(ts), 1, 1).flatten()
        exact = torch.tensor([getattr(process.level(t), name) for t in ts], dtype=torch.float64)
        assert torch.allclose(got.double(), exact, rtol=1e-5 if dtype == torch.float32 else 1e-12, atol=1e-6)
    assert level.alpha.dtype == level.sigma.dtype == dtype


@pytest.mark.parametrize("kind", ["linear", "scaled-linear"])
@pytest.mark.parametrize("timesteps", [1000, 200])
def test_ddpm_levels_equal_diffusers(kind, timesteps):
    from diffusers import DDIMScheduler

    theirs = DDIMScheduler(timesteps, 1e-4, 0.02, kind.replace("-", "_")).alphas_cumprod.double()
    process = make_process(DdpmLinearProcess(timesteps=timesteps, betas=kind))
    ours = torch.tensor([process.level((i + 1) / timesteps).alpha ** 2 for i in range(timesteps)], dtype=torch.float64)
    assert (ours / theirs - 1).abs().max() < 2e-5  # theirs is a float32 product
    assert (ours - theirs).abs().max() < 1e-6


def test_karras_levels_equal_diffusers():
    from diffusers import EDMEulerScheduler

    scheduler = EDMEulerScheduler()
    scheduler.set_timesteps(18)
    ours = [level.std for level in make_process(KarrasProcess()).levels(18)]
    assert torch.allclose(torch.tensor(ours), scheduler.sigmas, rtol=1e-5)


def test_flow_shift_equals_diffusers():
    from diffusers import FlowMatchEulerDiscreteScheduler

    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0)
    scheduler.set_timesteps(sigmas=[1 - i / 10 for i in range(10)])
    levels = make_process(FlowProcess(reference=(32, 32)), GRID).levels(10)  # 9 times the sites: std 3 times
    assert torch.allclose(torch.tensor([level.sigma for level in levels]), scheduler.sigmas, atol=1e-6)


def test_resolution_shifts_logsnr_by_the_ratio_of_sites():
    """Two equal axes: 2 ln(ref / size), as published; clipped after."""
    plain, shifted = make_process(CosineProcess()), make_process(CosineProcess(reference=(32, 32)), GRID)
    for t in (0.2, 0.5, 0.8):
        assert shifted.level(t).logsnr - plain.level(t).logsnr == pytest.approx(2 * math.log(32 / 96))
    assert shifted.level(0.0).logsnr == pytest.approx(15)
    assert shifted.level(1.0).logsnr == pytest.approx(-15)
    volume = make_process(CosineProcess(reference=(8, 8)), Grid(1, (4, 16, 16)))
    assert volume.level(0.5).logsnr == pytest.approx(math.log(64 / 1024))


def test_a_shift_needs_the_grid():
    with pytest.raises(UsageError, match="needs the grid"):
        make_process(CosineProcess(reference=(32, 32)))


def test_a_sigmoid_too_steep_for_numbers_is_refused():
    with pytest.raises(ValueError, match="within 40 temperatures of 0.*Set it to 0.075 or more"):
        SigmoidProcess(temperature=0.01)
    steep = make_process(SigmoidProcess(temperature=0.08))
    assert steep.t_of_std(steep.std(0.52)) == pytest.approx(0.52)


def test_truncated_starts_at_its_input_and_ends_at_its_end():
    process = make_process(TruncatedProcess(start=0.3, end=0.02))
    first, last = process.level(1.0), process.level(0.0)
    assert (first.alpha, first.beta, first.sigma) == (0, 1, 0.3)
    assert (last.alpha, last.beta, last.sigma) == (1, 0, 0.02)


def test_the_told_level_is_t_on_the_cosine_process():
    process = make_process(CosineProcess())
    for t in (0.01, 0.3, 0.5, 0.99):
        assert told(process.std(t)) == pytest.approx(t)
    assert (told(0.0), told(math.inf)) == (0, 1)
    ends = torch.tensor([0.0, 1.0, math.inf])
    assert torch.allclose(told(ends), torch.tensor([0, 0.5, 1]))


@settings(deadline=None)
@given(processes, st.integers(1, 60), st.sampled_from(["t", "logsnr"]))
def test_paths_fall_to_clean(process: Process, steps: int, spacing):
    levels = process.levels(steps, spacing=spacing)
    assert len(levels) == steps + 1
    assert levels[-1] == CLEAN
    assert levels[0].std == pytest.approx(process.std(1.0))
    stds = [level.std for level in levels]
    assert all(a > b for a, b in zip(stds, stds[1:], strict=False))


@given(processes, st.integers(1, 40), st.sampled_from(["t", "logsnr"]), st.floats(0.07, 0.2), st.floats(1.1, 10))
def test_paths_begin_and_stop_where_told(process: Process, steps: int, spacing, stop: float, ratio: float):
    levels = process.levels(steps, spacing=spacing, start_std=stop * ratio, stop_std=stop)
    assert len(levels) == steps + 1
    assert levels[0].std == pytest.approx(stop * ratio, rel=1e-9)
    assert levels[-1].std == pytest.approx(stop, rel=1e-9)


@pytest.mark.parametrize(("start", "stop"), [(1e-5, None), (1e5, None), (None, 1e5), (None, 1e-5)])
def test_paths_fall_beyond_the_usual_ends_too(start, stop):
    levels = make_process(FlowProcess()).levels(6, spacing="logsnr", start_std=start, stop_std=stop)
    assert all(a.std > b.std for a, b in zip(levels, levels[1:], strict=False))
    assert start is None or levels[0].std == pytest.approx(start)
    assert levels[-1].std == (0.0 if stop is None else pytest.approx(stop))


def test_a_finite_end_is_reached_however_far_it_lies():
    deep = make_process(KarrasProcess(std_min=1e-5)).levels(6, spacing="logsnr")
    assert deep[-2].std == pytest.approx(1e-5)
    gaps = [b.logsnr - a.logsnr for a, b in zip(deep[:-1], deep[1:-1], strict=False)]
    assert gaps == pytest.approx([2 * math.log(80 / 1e-5) / 5] * 5)


def test_uniform_spacings_are_uniform():
    cosine = make_process(CosineProcess())
    assert [level.t for level in cosine.levels(4)] == [1.0, 0.75, 0.5, 0.25, 0.0]
    steps = [level.logsnr for level in cosine.levels(5, spacing="logsnr", start_std=4, stop_std=0.1)]
    gaps = [b - a for a, b in zip(steps, steps[1:], strict=False)]
    assert gaps == pytest.approx([2 * math.log(40) / 5] * 5)


@pytest.mark.parametrize(("start", "stop"), [(0.001, None), (100.0, None), (1.0, 1.0), (0.5, 1.0), (None, 0.001)])
def test_paths_outside_the_process_are_refused(start, stop):
    with pytest.raises(UsageError, match="does not lie within this process, which goes from 80 to 0.002"):
        make_process(KarrasProcess()).levels(4, start_std=start, stop_std=stop)
