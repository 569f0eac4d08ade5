"""Stages on devices: against brute force, linear programs, and cases that are known."""

from __future__ import annotations

from itertools import chain, combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from dynaxx.errors import RunError, UsageError
from dynaxx.plan.assign import GIB, SLACK, Load, Spread, assign, bottleneck_s, refuse_overfull

LOADS = st.lists(
    st.builds(Load, st.floats(0.01, 10), st.none() | st.integers(1, 6), st.booleans()), min_size=1, max_size=3
).map(lambda several: dict(zip("abc", several, strict=False)))
ROOMS = st.lists(st.none() | st.integers(1, 9), min_size=1, max_size=3).map(
    lambda several: {f"gpu:{i}": room for i, room in enumerate(several)}
)


def subsets(names: list[str]) -> list[tuple[str, ...]]:
    return list(chain.from_iterable(combinations(names, n) for n in range(1, len(names) + 1)))


def fits(loads: dict[str, Load], spread: Spread, rooms: dict[str, int | None]) -> bool:
    try:
        refuse_overfull(loads, spread, rooms)
    except RunError:
        return False
    return True


def by_linear_program(loads: dict[str, Load], spread: Spread) -> float:
    """The least T for which shares of every stage's work on its devices are T a device at most."""
    pairs = [(name, device) for name, devices in spread.items() for device in devices]
    devices = sorted({device for _, device in pairs})
    work = [[float(name == other) for name, _ in pairs] + [0.0] for other in loads]
    busy = [[float(device == other) for _, device in pairs] + [-1.0] for other in devices]
    found = linprog(
        [0.0] * len(pairs) + [1.0], np.array(busy), np.zeros(len(devices)), np.array(work),
        [load.latency_s for load in loads.values()],
    )  # fmt: skip
    assert found.success
    return float(found.fun)


def best_of_all(loads: dict[str, Load], rooms: dict[str, int | None]) -> float | None:
    """The least bottleneck over every way to give every stage some devices, or None where nothing fits."""
    limits = [np.inf if room is None else room for room in rooms.values()]
    ways = [dict(zip(loads, way, strict=True)) for way in product(subsets(list(rooms)), repeat=len(loads))]
    found = [
        bottleneck_s(loads, way) for way in ways
        if fits(loads, way, rooms) and not any(_streams_in_vain(loads[name], rooms, way[name], limits) for name in way)
    ]  # fmt: skip
    return min(found, default=None)


def _streams_in_vain(load: Load, rooms: dict[str, int | None], on: tuple[str, ...], limits: list[float]) -> bool:
    """Whether a stage that a device could hold whole is streamed."""
    sizes = [rooms[device] for device in on]
    large = any(room is not None and load.weights is not None and load.weights > room for room in sizes)
    return large and load.weights is not None and load.weights <= max(limits)


@given(LOADS, st.data())
@settings(max_examples=50, deadline=None)
def test_the_bottleneck_is_that_of_the_best_shares(loads: dict[str, Load], data: st.DataObject) -> None:
    on = st.sampled_from(subsets(["gpu:0", "gpu:1", "gpu:2"]))
    spread = {name: data.draw(on) for name in loads}
    assert bottleneck_s(loads, spread) == pytest.approx(by_linear_program(loads, spread))


@given(LOADS, ROOMS)
@settings(max_examples=150, deadline=None)
def test_no_other_way_is_faster_and_no_copy_is_in_vain(loads: dict[str, Load], rooms: dict[str, int | None]) -> None:
    best = best_of_all(loads, rooms)
    if best is None:
        with pytest.raises(RunError, match="GiB"):
            assign(loads, rooms)
        return
    found = assign(loads, rooms)
    took = bottleneck_s(loads, found)
    assert took <= best * (1 + SLACK) * (1 + 1e-9)
    assert fits(loads, found, rooms)
    for name, devices in found.items():
        for device in devices if len(devices) > 1 else ():
            fewer = found | {name: tuple(other for other in devices if other != device)}
            assert bottleneck_s(loads, fewer) > best * (1 + SLACK) * (1 - 1e-9)


@pytest.mark.parametrize(
    ("times", "devices", "due"),
    [
        ((1.0, 1.0), 2, {"a": ("d0",), "b": ("d1",)}),
        ((1.0, 2.0), 3, {"a": ("d0",), "b": ("d1", "d2")}),
        ((3.0, 1.0), 4, {"a": ("d0", "d2", "d3"), "b": ("d1",)}),
        ((1.0, 1.0, 1.0), 1, {"a": ("d0",), "b": ("d0",), "c": ("d0",)}),
    ],
)
def test_the_slow_stage_is_replicated(times: tuple[float, ...], devices: int, due: Spread) -> None:
    loads = {name: Load(seconds, 1) for name, seconds in zip("abc", times, strict=False)}
    assert assign(loads, {f"d{i}": None for i in range(devices)}) == due


def test_a_device_that_is_free_takes_a_share_where_weights_fit() -> None:
    loads = {"a": Load(1.0, 4), "b": Load(0.8, 2)}
    assert assign(loads, {"d0": 9, "d1": 9}) == {"a": ("d0", "d1"), "b": ("d1",)}
    assert assign(loads, {"d0": 5, "d1": 5}) == {"a": ("d0",), "b": ("d1",)}


def test_what_fits_nowhere_whole_is_streamed_by_a_device_of_its_own() -> None:
    loads = {"a": Load(1.0, 20, streams=True), "b": Load(1.0, 4), "c": Load(1.0, 4)}
    assert assign(loads, {"d0": 10, "d1": 10}) == {"a": ("d0",), "b": ("d1",), "c": ("d1",)}
    assert assign(loads, {"d0": 10, "d1": 30})["a"] == ("d1",)


def test_eight_devices_and_five_stages_are_tried_in_moments() -> None:
    loads = {name: Load(seconds, 2) for name, seconds in zip("abcde", (5.0, 1.0, 4.0, 2.0, 4.0), strict=True)}
    found = assign(loads, {f"d{i}": 4 for i in range(8)})
    assert bottleneck_s(loads, found) <= 2.0 * (1 + SLACK), "16 seconds of work on 8 devices"


def test_what_does_not_fit_is_named_with_the_way_out() -> None:
    small = {"d0": 2 * GIB, "d1": 3 * GIB}
    with pytest.raises(RunError, match=r"stage 'a': has 4 GiB of weights, d1 has room for 3 GiB.*--memory-cap"):
        assign({"a": Load(1.0, 4 * GIB)}, small)
    with pytest.raises(RunError, match=r"a \(3 GiB\), b \(3 GiB\) do not fit .* d0 \(2 GiB\), d1 \(3 GiB\)"):
        assign({"a": Load(1.0, 3 * GIB), "b": Load(1.0, 3 * GIB)}, small)
    with pytest.raises(RunError, match=r"device d1: holds 3 GiB of weights, and is given a \(2 GiB\), b \(2 GiB\)"):
        refuse_overfull({"a": Load(1.0, 2 * GIB), "b": Load(1.0, 2 * GIB)}, {"a": ("d1",), "b": ("d1",)}, small)


def test_too_many_ways_are_refused() -> None:
    loads = {f"s{i}": Load(1.0, 1) for i in range(8)}
    with pytest.raises(UsageError, match="too many to try"):
        assign(loads, {f"d{i}": 4 for i in range(12)})
