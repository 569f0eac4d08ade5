"""Levels that a process reaches, told without torch, are those of the process itself."""

from __future__ import annotations

import pytest

from dynaxx.noise.process import make_process
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
from dynaxx.spec.reach import reach

PROCESSES: list[ProcessSpec] = [
    CosineProcess(),
    CosineProcess(logsnr_max=2, reference=(8, 8)),
    CosineProcess(logsnr_max=60),
    SigmoidProcess(start=-40, end=40),
    SigmoidProcess(temperature=0.075),
    DdpmLinearProcess(),
    DdpmLinearProcess(betas="scaled-linear", beta_start=8.5e-4, beta_end=1.2e-2),
    DdpmLinearProcess(timesteps=1),
    DdpmLinearProcess(reference=(8, 8), logsnr_max=4),
    KarrasProcess(rho=0.1),
    KarrasProcess(std_min=1e-6, std_max=1e6, rho=100),
    FlowProcess(reference=(8, 8)),
    TruncatedProcess(start=0.5, end=0.2),
]


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_ends(process: ProcessSpec) -> None:
    made = make_process(process, Grid(3, (32, 16)))
    assert reach(process, 32 * 16) == pytest.approx((made.std(0.0), made.std(1.0)), rel=1e-6)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_every_process_that_passes_is_finite_all_along(process: ProcessSpec) -> None:
    levels = make_process(process, Grid(3, (32, 16))).levels(7)
    assert all(0 <= level.alpha <= 1 and 0 <= level.sigma < float("inf") for level in levels)
