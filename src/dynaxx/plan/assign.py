"""Which devices hold which stages, so that a pipeline over batches is as fast as it can be, and weights fit."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement, islice, product
from typing import final

import numpy as np

from dynaxx.errors import RunError, UsageError

SLACK = 0.05
"""A bottleneck that is higher by so much is as good, where it takes fewer copies: times are not known any better."""
MOST = 3_000_000
"""Combinations that are tried; five stages that do not fit together on eight devices are 24310 at most."""
AT_ONCE = 10_000
GIB = 2**30

Spread = Mapping[str, Sequence[str]]
"""Stages by name, each with the devices that hold it: several where it has replicas."""


@final
@dataclass(frozen=True)
class Load:
    """What a stage asks of a device: seconds for each sample (their ratios matter), and bytes of weights.

    None where nobody knows the bytes: where room is limited, it then has a device to itself. `streams` says whether it
    can run without being held whole.
    """

    latency_s: float
    weights: int | None
    streams: bool = False


def assign(loads: Mapping[str, Load], rooms: Mapping[str, int | None]) -> dict[str, tuple[str, ...]]:
    """The devices of every stage: the least bottleneck, and no copy of a stage that does not lower it by 5%.

    `rooms` are the bytes that devices have for weights, None where there is no limit. A stage that fits on no device
    whole is streamed, where it can be, by a device of its own. All combinations are tried.

    Raises:
        RunError: if weights do not fit.
        UsageError: if there are too many combinations to try.
    """
    sets = {room: _fullest(loads, room, max(_limits(rooms))) for room in dict.fromkeys(rooms.values())}
    held = dict(zip(_grouped(rooms), _best(loads, rooms, sets), strict=True))
    return _thinned(loads, {device: held[device] for device in rooms})


def bottleneck_s(loads: Mapping[str, Load], spread: Spread) -> float:
    """Seconds for each sample of a long run, if devices are alike and take the batches of replicas as they are free.

    The largest, over all sets S of stages, of t(S) / n(S): the time of those stages over the number of devices that
    hold any of them (the theorem of max-flow and min-cut: Ford and Fulkerson 1956).
    """
    names = list(loads)
    held = [[name in stages for name in names] for stages in _by_device(spread).values()]
    return float(_bottlenecks(loads, np.array([held]))[0])


def streamed(load: Load, room: int | None) -> bool:
    """Whether a device has not the room to hold a stage whole."""
    return room is not None and load.weights is not None and load.weights > room


def refuse_overfull(loads: Mapping[str, Load], spread: Spread, rooms: Mapping[str, int | None]) -> None:
    """See that every device has room for its stages; one that is streamed has a device to itself.

    Raises:
        RunError: naming device, stages, and their sizes.
    """
    for device, names in _by_device(spread).items():
        if _fits([loads[name] for name in names], rooms[device]):
            continue
        alone = [name for name in names if not _fits([loads[name]], rooms[device])]
        if alone:
            raise _too_large(alone[0], loads[alone[0]], device, rooms[device])
        problem = f"holds {_size(rooms[device])} of weights, and is given {_list(loads, names)}."
        raise RunError(f"device {device}", problem, _FIX)


_FIX = "Raise --memory-cap (memory_cap), name more or larger devices, or leave out --devices: one stage at a time then."


def _fits(loads: Sequence[Load], room: int | None) -> bool:
    if room is None:
        return True
    if len(loads) == 1:
        return loads[0].streams or not streamed(loads[0], room)
    return sum(math.inf if load.weights is None else load.weights for load in loads) <= room


def _fullest(loads: Mapping[str, Load], room: int | None, most: float) -> list[frozenset[str]]:
    """The sets of stages that a device has room for, and that no other such set contains.

    A stage that some device can hold whole is streamed by none.
    """
    able = [
        name
        for name, load in loads.items()
        if _fits([load], room) and not (streamed(load, room) and (load.weights or 0) <= most)
    ]
    found: list[frozenset[str]] = []
    for count in range(len(able), 0, -1):
        for names in map(frozenset, combinations(able, count)):
            if not any(names < larger for larger in found) and _fits([loads[name] for name in names], room):
                found.append(names)
    return sorted(found, key=lambda names: [name not in names for name in loads]) or [frozenset()]


def _best(
    loads: Mapping[str, Load], rooms: Mapping[str, int | None], sets: Mapping[int | None, list[frozenset[str]]]
) -> list[frozenset[str]]:
    """What each device holds, those of equal room side by side, for the least bottleneck."""
    kinds = [(room, one) for room, several in sets.items() for one in several]
    has = np.array([[name in one for name in loads] for _, one in kinds])
    least, best = math.inf, tuple[int, ...]()
    for some in _chunks(kinds, rooms, sets):
        found = _bottlenecks(loads, has[np.array(some)])
        if found.min() < least:
            least, best = float(found.min()), some[int(found.argmin())]
    if not best:
        raise _no_room(loads, rooms)
    return [kinds[index][1] for index in best]


def _chunks(
    kinds: Sequence[tuple[int | None, frozenset[str]]],
    rooms: Mapping[str, int | None],
    sets: Mapping[int | None, list[frozenset[str]]],
) -> Iterator[list[tuple[int, ...]]]:
    """All combinations, as the kinds' numbers: devices of equal room are interchangeable."""
    numbers = {room: [i for i, kind in enumerate(kinds) if kind[0] == room] for room in sets}
    counts = {room: list(rooms.values()).count(room) for room in sets}
    many = math.prod(math.comb(len(numbers[room]) + counts[room] - 1, counts[room]) for room in sets)
    if many > MOST:
        problem = f"{many:,} ways to place the stages on {len(rooms)} devices are too many to try."
        raise UsageError("--devices", problem, "Name the devices of each stage: base=cuda:0,cuda:1.")
    every = product(*(combinations_with_replacement(numbers[room], counts[room]) for room in sets))
    flat = (tuple(number for group in groups for number in group) for groups in every)
    while some := list(islice(flat, AT_ONCE)):
        yield some


def _bottlenecks(loads: Mapping[str, Load], held: np.ndarray) -> np.ndarray:
    """The bottleneck of every combination; `held` is (combinations, devices, stages)."""
    times = np.array([load.latency_s for load in loads.values()])
    worst = np.zeros(len(held))
    for count in range(1, len(times) + 1):
        for chosen in map(list, combinations(range(len(times)), count)):
            devices = held[:, :, chosen].any(axis=2).sum(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                worst = np.maximum(worst, np.where(devices > 0, times[chosen].sum() / devices, math.inf))
    return worst


def _thinned(loads: Mapping[str, Load], held: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
    """Without the copies that the bottleneck does not need, the largest first; no stage loses its last.

    The first stage stays on the first device for as long as it can, the second on the second.
    """
    spread = {name: tuple(device for device, names in held.items() if name in names) for name in loads}
    limit, order = bottleneck_s(loads, spread) * (1 + SLACK), list(held)
    for name in sorted(loads, key=lambda name: loads[name].weights or 0, reverse=True):
        own = (list(loads).index(name) + 1) % len(order)
        for device in [device for device in (*order[own:], *order[:own]) if device in spread[name]]:
            fewer = spread | {name: tuple(other for other in spread[name] if other != device)}
            if fewer[name] and bottleneck_s(loads, fewer) <= limit:
                spread = fewer
    return spread


def _by_device(spread: Spread) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, devices in spread.items():
        for device in devices:
            found.setdefault(device, []).append(name)
    return found


def _grouped(rooms: Mapping[str, int | None]) -> list[str]:
    """The devices, those of equal room side by side."""
    order = list(dict.fromkeys(rooms.values()))
    return sorted(rooms, key=lambda device: order.index(rooms[device]))


def _limits(rooms: Mapping[str, int | None]) -> list[float]:
    return [math.inf if room is None else room for room in rooms.values()]


def _no_room(loads: Mapping[str, Load], rooms: Mapping[str, int | None]) -> RunError:
    """What does not fit: a stage by itself, or all of them together."""
    widest = max(rooms, key=lambda device: math.inf if rooms[device] is None else rooms[device] or 0)
    for name, load in loads.items():
        if not _fits([load], rooms[widest]):
            return _too_large(name, load, widest, rooms[widest])
    have = ", ".join(f"{device} ({_size(room)})" for device, room in rooms.items())
    problem = f"weights of {_list(loads, list(loads))} do not fit beside each other on {have}."
    return RunError("--devices", problem, _FIX)


def _too_large(name: str, load: Load, device: str, room: int | None) -> RunError:
    problem = f"has {_size(load.weights)} of weights, {device} has room for {_size(room)}, and it cannot be streamed."
    return RunError(f"stage {name!r}", problem, _FIX)


def _list(loads: Mapping[str, Load], names: Sequence[str]) -> str:
    return ", ".join(f"{name} ({_size(loads[name].weights)})" for name in names)


def _size(count: int | None) -> str:
    return "unknown" if count is None else f"{count / GIB:.3g} GiB"
