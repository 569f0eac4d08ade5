"""No operation is free: each is told by the group of probes that is most like it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from dynaxx.plan.growth import Scale
from dynaxx.plan.heights import Heights
from dynaxx.plan.profile import Profile
from dynaxx.plan.time.clock import Fit, ProbedClock
from dynaxx.plan.time.features import group_of
from dynaxx.plan.time.nearest import nearest, parts_of
from dynaxx.plan.time.probes import probes
from dynaxx.plan.time.surface import Surface


@pytest.fixture(scope="module")
def probed() -> dict[str, int]:
    """The groups that a CPU's calibration times, with the number of their coordinates."""
    with torch.no_grad():
        return {group: len(point) for group, point, _ in probes(torch.device("cpu"))}


@pytest.mark.parametrize(
    ("group", "found"),
    [
        ("conv-2d-3-1-last", "conv-2d-3-1-last"),
        ("conv-2d-2-2", "conv-2d-3-2"),  # patches of a transformer
        ("conv-3d-2-2", "conv-3d-3-2"),
        ("conv-2d-1-2-last", "conv-2d-3-2-last"),
        ("conv-1d-3-2-alone", "conv-1d-3-2"),
        ("conv-2d-3-2-last-alone", "conv-2d-3-2-alone"),
        ("conv_back-3d-2-2", "conv_back-3d-3-2"),
        ("attention_back", "attention_back"),
        ("softplus", "pointwise"),
    ],
)
def test_the_nearest_group_is_of_the_class_then_of_the_shape(probed: dict[str, int], group: str, found: str) -> None:
    rank = probed[found]
    assert nearest(group, [name for name, known in probed.items() if known == rank]) == found


def test_where_gradients_were_not_timed_the_class_forward_tells() -> None:
    """As on a GPU, whose attention is timed forward alone."""
    assert nearest("attention_back", ["conv-2d-3-1", "mm", "attention"]) == "attention"
    assert nearest("conv1_back-2d-1-1", ["conv_back-2d-3-1", "conv1-2d-1-1", "mm"]) == "conv1-2d-1-1"
    assert nearest("conv1-3d-1-1", ["conv-2d-3-1", "conv-3d-3-1", "mm"]) == "conv-3d-3-1"


def test_a_name_says_what_a_group_is(probed: dict[str, int]) -> None:
    for axes, kernel, stride, last, alone in itertools.product(
        (1, 2, 3), (1, 2, 3, 7), (1, 2, 4), (0, 1), (False, True)
    ):
        parts = parts_of(group_of("conv", (axes, 8, 8, kernel, stride, last), alone=alone))
        assert (parts.axes, parts.last, parts.alone) == (f"{axes}d", bool(last), alone)
        assert (parts.kernel, parts.stride) == (f"{min(kernel, 3)}", f"{min(stride, 2)}")
    assert {parts_of(group).family for group in probed} >= {"conv", "mm", "attention", "norm"}


@pytest.mark.parametrize("kind", ["conv", "conv_back", "attention_back"])
def test_no_operation_is_free(kind: str) -> None:
    """In closed form on a machine that does 1e9 multiplications a second, on which this class was not timed."""
    points = np.log([[16.0, 16.0, 64.0], [64.0, 64.0, 256.0]])
    even = Surface.of([tuple(p) for p in points], list(np.exp(points.sum(1)) / 1e9))
    clock = ProbedClock(
        "x", {"conv-2d-3-1": even, "attention": even}, Fit(1.0, 1.0, 1.0, 1.0, call_s=0.0), Fit(1.0, 1.0, 1.0, 1.0, 0.0)
    )
    shape, bytes_ = ((2, 32, 32, 2, 2, 0, 1), ()) if kind.startswith("conv") else ((32,), (((0,), 4096),))
    work = {(kind, shape, (((1,), 2 * 10**6),), bytes_): 3}
    profile = Profile(Scale(2, 1, fixed=(8, 8)), 0, 0, Heights(), (work,))
    units = 10**6 if kind.startswith("conv") else 2 * 10**6
    assert sum(clock.sums(profile, work, 4, (8, 8))[:4]) == pytest.approx(3 * 4 * units / 1e9)
