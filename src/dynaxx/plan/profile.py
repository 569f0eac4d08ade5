"""What a rehearsal found of one stage: how memory, FLOPs and bytes grow, as formulas that answer in milliseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from dynaxx.plan.growth import Scale, Terms, evaluate
from dynaxx.plan.tracker import OpKey

Part = Mapping[OpKey, int]
"""Operations and how often each is carried out."""


@final
@dataclass(frozen=True)
class Profile:
    """One stage's work in one mode.

    Sampling: `parts` holds the first step, each step between, the last one and what follows, without the network;
    `evaluations` the network's operations by how many copies of the batch it was given (2 under guidance). Training:
    one part, the whole step. `heights` are the peaks of the memory held, weights included, `weights` their bytes.
    """

    scale: Scale
    parameters: int
    weights: int
    heights: tuple[Terms, ...]
    parts: tuple[Part, ...]
    evaluations: Mapping[int, Part] = field(default_factory=dict)

    def peak_bytes(self, batch: int, size: Sequence[int]) -> float:
        """The most memory that is held at once."""
        units = self.scale.units(batch, size)
        powers, matrix = self._matrix
        if not powers:
            return 0.0
        return float(
            (matrix @ np.array([np.prod([u**p for u, p in zip(units, q, strict=True)]) for q in powers])).max()
        )

    @cached_property
    def _matrix(self) -> tuple[list[tuple[int, ...]], NDArray[np.float64]]:
        powers = sorted({power for terms in self.heights for power, _ in terms})
        place = {power: i for i, power in enumerate(powers)}
        matrix = np.zeros((len(self.heights), len(powers)))
        for row, terms in enumerate(self.heights):
            for power, c in terms:
                matrix[row, place[power]] = c
        return powers, matrix

    def work(self, steps: int, evaluations: Mapping[int, int]) -> Counter[OpKey]:
        """All operations of a run of `steps` steps with so many network evaluations at each number of copies."""
        found: Counter[OpKey] = Counter()
        between = [steps - 2 if i == 1 and len(self.parts) > 2 else 1 for i in range(len(self.parts))]
        if steps == 1 and len(self.parts) > 2:
            between = [0, 0, *[1] * (len(self.parts) - 2)]
        for part, times in zip(self.parts, between, strict=True):
            for key, n in part.items():
                found[key] += n * times
        for copies, times in evaluations.items():
            for key, n in self.evaluations.get(copies, {}).items():
                found[key] += n * times
        return found

    def flops(self, work: Mapping[OpKey, int], batch: int, size: Sequence[int]) -> float:
        """The FLOPs of some work."""
        units = self.scale.units(batch, size)
        return sum(n * evaluate(key[2], units) for key, n in work.items())

    def to_json(self) -> dict[str, Any]:
        """The profile as plain data."""
        return {
            "scale": [self.scale.rank, self.scale.cell, self.scale.fixed], "parameters": self.parameters,
            "weights": self.weights, "heights": self.heights, "parts": [_listed(part) for part in self.parts],
            "evaluations": [[copies, _listed(part)] for copies, part in self.evaluations.items()],
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Profile:
        """The profile that `to_json` wrote."""
        rank, cell, fixed = data["scale"]
        return cls(
            Scale(rank, cell, tuple(fixed) if fixed else None), data["parameters"], data["weights"],
            tuple(_terms(terms) for terms in data["heights"]), tuple(_part(part) for part in data["parts"]),
            {copies: _part(part) for copies, part in data["evaluations"]},
        )  # fmt: skip


def _listed(part: Part) -> list[Any]:
    return [[*key, n] for key, n in part.items()]


def _part(rows: Sequence[Any]) -> Part:
    return {(kind, tuple(shape), _terms(flops), _terms(moved)): n for kind, shape, flops, moved, n in rows}


def _terms(rows: Sequence[Any]) -> Terms:
    return tuple((tuple(powers), c) for powers, c in rows)
