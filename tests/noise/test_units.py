"""Units of level: the published check values, round trips, diffusers' own tables, no torch."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynaxx.errors import UsageError
from dynaxx.noise.process import make_process
from dynaxx.noise.units import UNITS, in_every_unit, std_of, value_of
from dynaxx.spec.process import CosineProcess, FlowProcess


@pytest.mark.parametrize(
    ("unit", "value", "std", "digits"),
    [
        ("if-noise-level", 250, 0.427, 3),
        ("if-aug-level", 0.25, 0.427, 3),
        ("x4-noise-level", 20, 0.0520, 4),
        ("x4-noise-level", 100, 0.172, 3),
        ("x4-noise-level", 350, 0.749, 3),
        ("comfyui-x4", 1.0, 0.749, 3),
        ("imagen-pytorch", 0.2, 0.70, 2),
        ("cosine-t", 0.5, 1.0, 9),
        ("flow-t", 0.5, 1.0, 9),
        ("edm-sigma", 80, 80, 9),
        ("logsnr", 0, 1.0, 9),
    ],
)
def test_published_levels(unit, value, std, digits):
    assert round(std_of(unit, value), digits) == std
    assert value_of(unit, std_of(unit, value)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("unit", "schedule", "steps"),
    [
        ("if-noise-level", "squaredcos_cap_v2", (0, 1, 250, 500, 998, 999)),
        ("x4-noise-level", "scaled_linear", (0, 20, 350)),
    ],
)
def test_tables_equal_diffusers(unit, schedule, steps):
    from diffusers import DDPMScheduler

    bar = DDPMScheduler(1000, beta_schedule=schedule, beta_start=1e-4, beta_end=0.02).alphas_cumprod.double()
    for step in steps:
        theirs = float(((1 - bar[step]) / bar[step]).sqrt())
        assert std_of(unit, step) == pytest.approx(theirs, rel=2e-3 if step == 0 else 1e-4)


def test_the_x4_upscaler_has_the_table_that_diffusers_gives_it():
    from diffusers import DDPMScheduler
    from diffusers.loaders.single_file_utils import _legacy_load_scheduler

    published = _legacy_load_scheduler(DDPMScheduler, {}, component_name="low_res_scheduler")
    table = {key: published.config[key] for key in ("beta_schedule", "beta_start", "beta_end")}
    assert table == {"beta_schedule": "scaled_linear", "beta_start": 1e-4, "beta_end": 0.02}


@given(st.sampled_from(sorted(UNITS)), st.floats(0, 1))
def test_units_round_trip(name, share):
    unit = UNITS[name]
    low, high = max(unit.low, -30), min(unit.high, 500)
    value = low + share * (high - low)
    std = std_of(name, value)
    assert std_of(name, value_of(name, std)) == pytest.approx(std, rel=1e-7, abs=1e-12)
    if std > 1e-3 and std < 1e6:
        assert value_of(name, std) == pytest.approx(value, rel=1e-6, abs=1e-6)


@given(st.floats(0.08, 0.74))
def test_every_unit_means_the_same_std(std):
    values = in_every_unit(std)
    assert set(values) == set(UNITS)
    assert [std_of(name, value) for name, value in values.items()] == pytest.approx([std] * len(values), rel=1e-9)


def test_clean_and_pure_noise_have_the_units_that_reach_them():
    assert in_every_unit(0.0) == {"logsnr": math.inf, "edm-sigma": 0, "cosine-t": 0, "flow-t": 0}
    assert in_every_unit(math.inf) == {"logsnr": -math.inf, "edm-sigma": math.inf, "cosine-t": 1, "flow-t": 1}


def test_our_own_ts_are_the_processes():
    assert std_of("cosine-t", 0.3) == pytest.approx(make_process(CosineProcess()).std(0.3))
    assert std_of("flow-t", 0.3) == pytest.approx(make_process(FlowProcess()).std(0.3))


def test_wrong_units_and_values_are_refused():
    with pytest.raises(UsageError, match=r"unknown unit 'beta'\. Choose one of logsnr, edm-sigma"):
        std_of("beta", 1)
    with pytest.raises(UsageError, match="x4-noise-level: expects 0 to 350, but got 351"):
        std_of("x4-noise-level", 351)
    with pytest.raises(UsageError, match="x4-noise-level: reaches std 0.01 to 0.7492, but got 7"):
        value_of("x4-noise-level", 7)


def test_units_need_no_torch():
    code = "import sys, dynaxx.noise.units; sys.exit('torch' in sys.modules)"
    fresh = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": ":".join(sys.path)}, check=False)
    assert fresh.returncode == 0
