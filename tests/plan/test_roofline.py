"""Devices that are not at hand: published figures are cited, and the time by them is told in closed form."""

from __future__ import annotations

import pytest
import torch
from tests.plan.test_rehearse import CASES, rehearse, scale_for

from dynaxx.errors import UsageError
from dynaxx.plan.growth import Scale
from dynaxx.plan.heights import Heights
from dynaxx.plan.profile import Profile
from dynaxx.plan.time.devices import LAUNCH_S, REACHED, Device, device_named, known_devices


def test_published_figures_are_cited_and_bound_the_time() -> None:
    spec, node = CASES["one axis"]
    profile = rehearse(node, spec.condition, scale_for(node), mode="sample")
    work = profile.evaluations[1]
    for device in known_devices().values():
        assert device.source.startswith("https://")
        found = device.seconds(profile, work, 4, (256,))
        flops = profile.flops(work, 4, (256,))
        fastest = max(device.peak_of(kind, "float32") for kind in ("conv", "mm"))
        assert found.value >= max(flops / (REACHED * fastest), LAUNCH_S * sum(work.values()))
        assert found.low < found.value < found.high
    with pytest.raises(UsageError, match="h100-sxm"):
        device_named("abacus")
    for said, meant in (("a100-sxm", "a100-sxm-80gb"), ("h100", "h100-sxm"), ("rtx4090", "rtx-4090")):
        with pytest.raises(UsageError, match=f"Did you mean '{meant}'"):
            device_named(said)


def test_the_roofline_takes_the_peak_and_the_bytes_of_the_number_format() -> None:
    """In closed form: one operation that computes, and one that moves what a rehearsal in half precision counted."""
    device = Device("x", {"float32": 1e12, "float16": 4e12}, 1e11, 10.0, 1e10, "https://nowhere")
    computes, moves = ("mm", (8, 8), (((1,), 10**12),), ()), ("pointwise", (), (), (((1,), 10**9),))
    work = {computes: 2, moves: 3}
    for dtype, at_peak in (("float32", 1.0), ("float16", 0.25)):
        profile = Profile(Scale(1, 1, fixed=(4,)), 0, 0, Heights(), (work,), dtype=dtype)
        assert device.knows(profile)
        found = device.seconds(profile, work, 1, (4,))
        assert found.value == pytest.approx(2 * at_peak / REACHED + 3 * 0.01 / REACHED + 5 * LAUNCH_S)
    assert not device.knows(Profile(Scale(1, 1, fixed=(4,)), 0, 0, Heights(), (work,), dtype="bfloat16"))


def test_in_float32_matrix_units_convolve_and_do_not_multiply() -> None:
    """In closed form, and as torch does unless it is told otherwise."""
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.backends.cudnn.allow_tf32
    device = Device("x", {"float32": 1e12, "tf32": 8e12, "bfloat16": 16e12}, 1e11, 10.0, 1e10, "https://nowhere")
    flops = (((1,), 10**12),)
    for kind, due in (("conv", 1 / 8), ("conv1_back", 1 / 8), ("mm", 1.0), ("attention", 3 / 8)):
        work = {(kind, (), flops, ()): 1}
        for dtype, seconds in (("float32", due), ("bfloat16", 1 / 16)):
            profile = Profile(Scale(1, 1, fixed=(4,)), 0, 0, Heights(), (work,), dtype=dtype)
            assert device.seconds(profile, work, 1, (4,)).value == pytest.approx(seconds / REACHED + LAUNCH_S)
    assert device_named("t4").peak_of("conv", "float32") == device_named("t4").peak_of("mm", "float32")


def test_matrix_units_are_faster_in_half_precision() -> None:
    for name, device in known_devices().items():
        peaks = device.peak_flops
        most = peaks.get("tf32", peaks["float32"])
        assert peaks["float32"] <= most < 9 * peaks["float32"], name
        assert 1.9 * most < peaks["float16"] < 9 * most, name
        assert peaks.get("bfloat16", peaks["float16"]) == peaks["float16"]
        assert device.link_bytes_s < device.bandwidth_bytes_s / 5
    assert "bfloat16" not in device_named("t4").peak_flops
