"""Half precision on a calibrated machine: planted ratios and calls are found again, tiny networks keep their time."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from planted_machine import PlantedMachine
from torch import nn

from dynaxx.plan.evaluated import evaluated
from dynaxx.plan.growth import Scale
from dynaxx.plan.heights import Heights
from dynaxx.plan.profile import Profile
from dynaxx.plan.time.calibrate import calibrate
from dynaxx.plan.time.clock import Fit, ProbedClock
from dynaxx.plan.time.half_networks import HalfTrial, half_trials
from dynaxx.plan.time.half_probes import half_probes
from dynaxx.plan.time.half_timing import FORMATS, MOST_S, halves
from dynaxx.plan.time.halves import USUAL_SPREAD, Half, Ratio
from dynaxx.plan.time.stopwatch import seconds_of
from dynaxx.plan.time.surface import Surface
from dynaxx.stage.pipeline.bare import bare_network
from dynaxx.stage.pipeline.evaluation import evaluation

CPU = torch.device("cpu")


def surface() -> Surface:
    """A rate of 1e10 a second, and 2 us a call."""
    points = np.log([[16.0, 16.0, 64.0], [64.0, 64.0, 256.0], [256.0, 64.0, 1024.0], [16.0, 256.0, 4096.0]])
    return Surface.of([tuple(p) for p in points], list(np.exp(points.sum(1)) / 1e10 + 2e-6))


def test_a_ratio_is_what_was_timed_over_what_float32_would_take() -> None:
    float32 = surface()
    points = [(math.log(a), math.log(b), math.log(c)) for a, b, c in ((32, 32, 64), (64, 128, 256), (128, 128, 1024))]
    times = [8.0, 2.0, 0.5]
    timed = [(p, r * float(float32.at(np.array([p]))[0])) for p, r in zip(points, times, strict=True)]
    ratio = Ratio.of(timed, float32)
    assert ratio.at(np.array(points)) == pytest.approx(times, rel=0.1)
    assert ratio.at(np.array([[40.0, 40.0, 40.0]])) == pytest.approx(2.0)  # far from all: the median


def test_the_group_that_is_most_like_it_is_taken() -> None:
    names = ("conv-2d-3-1", "conv-2d-3-1-last", "conv-3d-3-1", "conv1-2d-1-1", "mm", "pointwise")
    half = Half({name: Ratio(np.zeros((1, 3)), np.array([float(i)])) for i, name in enumerate(names)})
    found = {group: math.log(half.of(group).at(np.full((1, 3), 99.0))[0]) for group in ("conv-2d-3-2-last", "mm")}
    assert found == pytest.approx({"conv-2d-3-2-last": 1.0, "mm": 4.0})
    assert math.log(half.of("conv-3d-3-2").at(np.full((1, 3), 99.0))[0]) == pytest.approx(2.0)
    assert math.log(half.of("conv1-1d-1-1").at(np.full((1, 3), 99.0))[0]) == pytest.approx(3.0)


def test_planted_times_and_calls_are_found_and_the_spread_is_the_noise() -> None:
    rng = np.random.default_rng(0)
    rows = []
    for told, calls in zip(rng.uniform(1e-3, 3e-2, 40), rng.uniform(30, 300, 40), strict=True):
        rows.append((told, calls, (0.6 * told + 4e-5 * calls) * math.exp(0.1 * rng.standard_normal())))
    half = Half({}).learned(rows)
    assert half.times == pytest.approx(0.6, abs=0.08)
    assert half.call_s == pytest.approx(4e-5, rel=0.15)
    assert half.spread == pytest.approx(math.sqrt((4 * USUAL_SPREAD**2 + 40 * 0.01) / 44), rel=0.2)
    told = half.told(0.01, 100.0)
    assert told.value == pytest.approx(half.times * 0.01 + half.call_s * 100)
    assert math.log(told.high / told.value) == pytest.approx(1.645 * half.spread)
    wide = half.told(0.01, 100.0, least=0.4)
    assert math.log(wide.high / wide.value) == pytest.approx(1.645 * 0.4)
    assert Half({}).learned([]) == Half({})


def test_half_precision_is_told_by_its_ratio_and_half_the_bytes_of_its_weights() -> None:
    """In closed form: two products at a known rate, 3 times as long in one format, and read at a known rate."""
    shape, flops = (64, 64), 2 * 64 * 64 * 256
    work = {("mm", shape, (((0,), flops),), ()): 2}
    fit = Fit(conv=1.0, call_s=0.0, weight_s=1e-9, spread=0.1)
    half = Half({"mm": Ratio(np.zeros((1, 3)), np.array([math.log(3.0)]))}, times=1.0, call_s=1e-5)
    clock = ProbedClock("x", {"mm": surface()}, sample=fit, halves={"float16": half})
    full, halved = (Profile(Scale(1, 1, fixed=(4,)), 0, 0, Heights(), (work,), dtype=d) for d in ("float32", "float16"))
    alone = float(surface().at(np.log([[64.0, 64.0, 256.0]]))[0])
    assert clock.seconds(full, work, 1, (4,)).value == pytest.approx(2 * alone + 2 * 64 * 64 * 1e-9)
    told = clock.seconds(halved, work, 1, (4,))
    assert told.value == pytest.approx(2 * 3 * alone + 64 * 64 * 1e-9 + 2 * 1e-5)
    assert math.log(told.high / told.value) == pytest.approx(1.645 * half.spread)
    assert clock.knows(halved)
    assert not clock.knows(Profile(Scale(1, 1, fixed=(4,)), 0, 0, Heights(), (work,), dtype="bfloat16"))


def test_probes_begin_with_every_group_and_are_of_the_format() -> None:
    groups = [group for group, _, _ in half_probes(CPU, torch.bfloat16)]
    first = groups[: len(set(groups))]
    convolutions = {f"conv-2d-3-1{ending}" for ending in ("", "-last", "-alone", "-last-alone")}
    assert convolutions | {"mm", "attention", "norm", "copy"} <= set(first)
    for _, point, work in half_probes(CPU, torch.bfloat16):
        out = work()
        assert isinstance(out, torch.Tensor)
        assert out.dtype == torch.bfloat16
        assert all(math.isfinite(one) for one in point)


def test_slow_operations_are_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which each probe takes long times the first of every group, and goes on to none that is larger."""
    module, asked = "dynaxx.plan.time.half_timing", list[str]()
    probes = {d: list(half_probes(CPU, getattr(torch, d))) for d in FORMATS}
    everywhere = {group: surface() for group, point, _ in probes["bfloat16"] if len(point) == 3}

    def slow(work: object, device: torch.device, *, slow_s: float) -> float:
        asked.append("once")
        return 10 * MOST_S

    monkeypatch.setattr(f"{module}.seconds_of", slow)
    found = halves(CPU, everywhere, budget_s=60.0)
    assert set(found) == set(FORMATS)
    assert all(set(half.ratios) == set(everywhere) for half in found.values())
    larger = [probe for probe in probes["bfloat16"] if len(probe[1]) == 3]
    assert len(asked) < len(larger)


def test_a_slow_call_is_timed_once() -> None:
    calls = []
    seconds_of(lambda: calls.append(sum(range(200_000))), CPU, slow_s=1e-9)
    assert len(calls) == 2  # one that warms up, and one that is timed


def test_seconds_are_those_of_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that only the work moves: slow work, and work so quick that many calls are timed together."""
    for each in (0.25, 1e-5):
        now = [0.0]
        monkeypatch.setattr("dynaxx.plan.time.stopwatch.time.process_time", lambda now=now: now[0])
        monkeypatch.setattr("dynaxx.plan.time.stopwatch.torch.get_num_threads", lambda: 1)
        assert seconds_of(lambda now=now, s=each: now.__setitem__(0, now[0] + s), CPU) == pytest.approx(each)


@pytest.fixture(scope="module")
def machine() -> PlantedMachine:
    """What every operation takes is known of it."""
    return PlantedMachine()


@pytest.fixture(scope="module")
def clock(machine: PlantedMachine) -> ProbedClock:
    """A calibration of it by its own clock, so that neighbours neither slow it down nor cut it off."""
    with pytest.MonkeyPatch.context() as patch:
        machine.stand_in(patch)
        return calibrate(CPU, budget_s=1.6)


def test_a_calibration_is_kept_with_its_halves(clock: ProbedClock) -> None:
    assert set(clock.halves) == set(FORMATS)
    again = ProbedClock.from_json(json.loads(json.dumps(clock.to_json())))
    trial = next(half_trials())
    for dtype in FORMATS:
        both = [c.seconds(trial.in_format(dtype), trial.profile.evaluations[1], 1, trial.size) for c in (clock, again)]
        assert both[0] == both[1]
        assert both[0].value > 0


TINY = {
    "_class_name": "UNet2DConditionModel", "block_out_channels": [32, 64], "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"], "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 32, "attention_head_dim": 4, "norm_num_groups": 8, "in_channels": 4, "out_channels": 4,
}  # fmt: skip
"""A pretrained pipeline's network in small: none like it is timed in a calibration."""


@pytest.mark.parametrize("dtype", ["float32", *FORMATS])
@pytest.mark.parametrize("side", [16, 32])
def test_a_network_takes_what_is_told(machine: PlantedMachine, clock: ProbedClock, dtype: str, side: int) -> None:
    """On the planted machine, whose formats are up to eighty times apart: probes, ratios, groups and units in one."""
    network, size = bare_network(TINY, "tiny"), (side, side)
    nn.Module.to(network, getattr(torch, dtype))
    profile = evaluated(network, evaluation(network, 1, size), size)
    assert profile.dtype == dtype
    told = clock.seconds(profile, profile.evaluations[1], 1, size)
    there = network.to_empty(device="cpu")
    with torch.no_grad():
        for p in there.parameters():
            p.normal_(std=0.02)
        took = machine.seconds_of(evaluation(there, 1, size))
    assert told.value == pytest.approx(took, rel=0.3)


def test_a_trial_is_run_in_its_format() -> None:
    trial: HalfTrial = next(half_trials())
    for dtype in FORMATS:
        work, form = trial.work(getattr(torch, dtype), CPU), getattr(torch, dtype)
        with torch.no_grad():
            out = work()
        assert isinstance(out, torch.Tensor)
        assert out.dtype == form
        assert torch.isfinite(out).all()
        assert trial.in_format(dtype).dtype == dtype
