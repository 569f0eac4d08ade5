"""The cascades that are weighed up: how many stages, which sizes, how wide, how many steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

from dynaxx.plan.propose.target import STEPS, Target
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import parse

WIDTHS = (16, 32, 64, 128)
PACES = {"quick": (8, 6, 4), "usual": (20, 12, 8), "fine": (40, 20, 12)}
"""Steps of the base, of bridges, and of the refine stage."""
BATCH = 16
LARGEST_BASE, SMALLEST_BASE = 64, 8
"""Sites along the shorter axis of a base: where structure is settled, and below which there is none."""
LADDERS = {
    1: ((), (2,), (4,), (2, 2), (4, 4)),
    2: ((), (2,), (4,), (2, 2), (4, 4), (4, 2)),
    3: ((), (2,), (2, 2), (4, 2)),
}
"""The factors between stages, by the number of axes; none is a single stage."""


@final
@dataclass(frozen=True)
class Shape:
    """One candidate: factors from the base up, a width, and a pace."""

    factors: tuple[int, ...]
    width: int
    pace: str
    doubled: bool = False
    """Whether the first bridge also doubles the frames of a video."""

    @property
    def stages(self) -> int:
        """How many stages it has."""
        return len(self.factors) + 1


def shapes(target: Target) -> Iterator[Shape]:
    """All candidates for a target, those of one stage first."""
    for factors in LADDERS[len(target.size)]:
        doubled = len(target.size) == 3 and len(factors) > 1
        if base_size(target, factors, doubled) is None:
            continue
        for width in WIDTHS:
            for pace in PACES:
                yield Shape(factors, width, pace, doubled)


def base_size(target: Target, factors: tuple[int, ...], doubled: bool) -> tuple[int, ...] | None:
    """The base's size, or None where the factors do not fit the target."""
    total, sides = 1, list(target.size)
    for factor in factors:
        total *= factor
    first = 1 if len(sides) == 3 else 0
    if any(side % total for side in sides[first:]) or (doubled and sides[0] % 2):
        return None
    sides[first:] = [side // total for side in sides[first:]]
    if doubled:
        sides[0] //= 2
    shorter = min(sides[first:])
    fits = not factors or SMALLEST_BASE <= shorter <= LARGEST_BASE * (16 if len(sides) == 1 else 1)
    return tuple(sides) if fits else None


def cascade_of(target: Target, shape: Shape, *, name: str = "proposed") -> CascadeSpec:
    """The candidate as a cascade."""
    stages = [_base(target, shape), *(_next(target, shape, i) for i in range(len(shape.factors)))]
    return parse({"version": 1, "name": name, "condition": {"text": {}}, "stages": stages})


def _base(target: Target, shape: Shape) -> dict[str, Any]:
    size = base_size(target, shape.factors, shape.doubled)
    assert size is not None
    alone = not shape.factors
    mults = [1, 2, 4, 4] if alone else [1, 2, 4]
    return {
        "name": "base", "role": "base", "network": _network(shape.width, mults, blocks=2, attends=True),
        "train": _train(target), "out": {"size": list(size), "channels": target.channels},
        "solver": {"steps": PACES[shape.pace][0], "guidance": {"scale": 3.0, "interval": [0.5, 1.0e9]}},
    }  # fmt: skip


def _next(target: Target, shape: Shape, i: int) -> dict[str, Any]:
    last, factor = i == len(shape.factors) - 1, shape.factors[i]
    axes = {1: "l", 2: "hw", 3: "hw"}[len(target.size)]
    scale: dict[str, int] = {axes: factor} | ({"t": 2} if shape.doubled and i == 0 else {})
    noise = {"train_std": [0.0, 0.3], "std": 0.05} if last else {"train_std": [0.0, 0.6], "std": 0.1}
    refine = {"process": {"kind": "truncated", "start": 0.2}} if last and factor == 2 else {}
    name = "refine" if last else "bridge" if i == 0 else f"bridge-{i + 1}"
    before = "base" if i == 0 else "bridge" if i == 1 else f"bridge-{i}"
    return {
        "name": name, "role": "refine" if last else "bridge", "inputs": {"low": {"from": before, "noise": noise}},
        "network": _network(max(16, shape.width // 2), [1, 2, 2] if last else [1, 2, 4], blocks=1, attends=not last),
        "train": _train(target), "solver": {"steps": PACES[shape.pace][2 if last else 1]},
        "out": {"scale": scale, "channels": target.channels}, **refine,
    }  # fmt: skip


def _network(width: int, mults: list[int], *, blocks: int, attends: bool) -> dict[str, Any]:
    attention = [len(mults) - 1] if attends else []
    return {"kind": "unet", "width": width, "mults": mults, "blocks": blocks, "attention": attention}


def _train(target: Target) -> dict[str, Any]:
    return {"steps": STEPS[target.quality], "batch_size": BATCH}
