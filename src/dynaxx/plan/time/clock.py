"""From work to seconds: what every operation takes on a device, summed, and set right by whole networks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np

from dynaxx.plan.growth import evaluate
from dynaxx.plan.profile import Profile
from dynaxx.plan.time.features import SHAPED, Point, group_of, is_alone, point_of, weights_of
from dynaxx.plan.time.halves import Half
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.time.nearest import nearest
from dynaxx.plan.time.residual import Residual, coordinates
from dynaxx.plan.time.surface import Surface
from dynaxx.plan.time.transfer import Transfer
from dynaxx.plan.tracker import OpKey

Sums = tuple[float, float, float, float, float, float]
"""Seconds alone of convolutions and products, of torch's own convolutions, of attention, of what moves bytes; how many
operations these are; weights that are read in sampling, or trained."""
BINS = ("conv", "alone", "attention", "moving")


@final
@dataclass(frozen=True)
class Fit:
    """`seconds = sum of shares * sums`, up to a residual where there is one, and a spread.

    The first four shares say how much longer operations take inside a network, where caches are shared, than alone.
    Calls cost Python's time. Weights cost that of reading them anew for every evaluation, where an operation that is
    timed alone has them at hand, and in training that of the optimiser and of the average.
    """

    conv: float = 1.15
    alone: float = 1.0
    attention: float = 1.15
    moving: float = 1.5
    call_s: float = 1e-5
    weight_s: float = 2e-10
    spread: float = 0.5
    residual: Residual | None = None

    @property
    def shares(self) -> Sums:
        """What each sum is multiplied by."""
        return self.conv, self.alone, self.attention, self.moving, self.call_s, self.weight_s

    def seconds(self, sums: Sums) -> float:
        """What a stage's sums come to."""
        return sum(share * part for share, part in zip(self.shares, sums, strict=True))

    def told(self, sums: Sums, batch: int, size: tuple[int, ...]) -> Interval:
        """The same, set right by the residual of networks that are like it."""
        shift, spread = 0.0, self.spread
        if self.residual:
            shift, spread = self.residual.at(coordinates(sums, self.shares, batch, size))
        return Interval.around(self.seconds(sums) * math.exp(shift), spread)

    def to_json(self) -> dict[str, Any]:
        """The fit as plain data."""
        return vars(self) | {"residual": self.residual.to_json() if self.residual else None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fit:
        """The fit that `to_json` wrote."""
        return cls(**{**data, "residual": Residual.from_json(data["residual"]) if data["residual"] else None})


def is_training(work: Mapping[OpKey, int]) -> bool:
    """Whether gradients are among the operations."""
    return any("_back" in kind for kind, *_ in work)


def computing_calls(work: Mapping[OpKey, int]) -> float:
    """How often convolutions, products and attention are called."""
    return float(sum(n for (kind, *_), n in work.items() if kind in SHAPED))


def bin_of(group: str) -> str:
    """Which share a group of operations has."""
    if group.endswith("-alone"):
        return "alone"
    if group.startswith("attention"):
        return "attention"
    return "conv" if group.startswith(SHAPED) else "moving"


@final
@dataclass(frozen=True)
class ProbedClock:
    """A machine that was calibrated: surfaces per group of operations, a fit each for sampling and for training.

    `halves` say by number format how much longer work takes in half precision, `transfer` how fast weights come.
    """

    name: str
    surfaces: Mapping[str, Surface]
    sample: Fit = field(default_factory=Fit)
    train: Fit = field(default_factory=Fit)
    halves: Mapping[str, Half] = field(default_factory=dict)
    transfer: Transfer | None = None

    @property
    def on_cpu(self) -> bool:
        """Whether it is a CPU's: there small single samples are convolved by another kernel."""
        return any(name.endswith("-alone") for name in self.surfaces)

    def knows(self, profile: Profile) -> bool:
        """Whether work in the profile's number format was timed."""
        return profile.dtype == "float32" or profile.dtype in self.halves

    def seconds(self, profile: Profile, work: Mapping[OpKey, int], batch: int, size: tuple[int, ...]) -> Interval:
        """How long the operations of a stage take at a batch and a size."""
        fit, sums = self.train if is_training(work) else self.sample, self.sums(profile, work, batch, size)
        if profile.dtype in self.halves:
            return self.halves[profile.dtype].told(fit.seconds(sums), computing_calls(work), least=fit.spread)
        return fit.told(sums, batch, size)

    def sums(self, profile: Profile, work: Mapping[OpKey, int], batch: int, size: tuple[int, ...]) -> Sums:
        """What a stage's operations take, each alone, by what they are; how many they are; weights read, or trained."""
        units, found = profile.scale.units(batch, size), defaultdict[str, list[tuple[Point, int]]](list)
        for (kind, shape, flops, moved), n in work.items():
            does = evaluate(flops, units)
            alone = self.on_cpu and is_alone(kind, shape, does, batch)
            point = point_of(kind, shape, does, evaluate(moved, units), alone=alone)
            found[nearest(group_of(kind, shape, alone=alone), self._by_rank[len(point)])].append((point, n))
        total = dict.fromkeys(BINS, 0.0)
        for group, points in found.items():
            at = np.array([point for point, _ in points])
            each = self.surfaces[group].at(at)
            if profile.dtype != "float32":
                each = each * self.halves[profile.dtype].of(group).at(at)
            total[bin_of(group)] += float(each @ np.array([n for _, n in points]))
        read = sum(n * weights_of(kind, shape) for (kind, shape, *_), n in work.items())
        calls, weights = float(sum(work.values())), float(profile.parameters if is_training(work) else read)
        weights *= 1.0 if profile.dtype == "float32" else 0.5  # as many bytes are read
        return total["conv"], total["alone"], total["attention"], total["moving"], calls, weights

    @cached_property
    def _by_rank(self) -> Mapping[int, tuple[str, ...]]:
        """The groups that were probed, by the number of their coordinates."""
        found = defaultdict[int, tuple[str, ...]](tuple)
        for name, surface in self.surfaces.items():
            found[surface.points.shape[1]] += (name,)
        return found

    def to_json(self) -> dict[str, Any]:
        """The clock as plain data."""
        fits = {name: fit.to_json() for name, fit in (("sample", self.sample), ("train", self.train))}
        halves = {dtype: half.to_json() for dtype, half in self.halves.items()}
        surfaces = {name: surface.to_json() for name, surface in self.surfaces.items()}
        transfer = None if self.transfer is None else self.transfer.to_json()
        return {"name": self.name, "surfaces": surfaces, **fits, "halves": halves, "transfer": transfer}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProbedClock:
        """The clock that `to_json` wrote."""
        surfaces = {name: Surface.of(**found) for name, found in data["surfaces"].items()}
        halves = {dtype: Half.from_json(found) for dtype, found in data["halves"].items()}
        sample, train = (Fit.from_json(data[mode]) for mode in ("sample", "train"))
        transfer = None if data["transfer"] is None else Transfer.from_json(data["transfer"])
        return cls(data["name"], surfaces, sample, train, halves, transfer)
