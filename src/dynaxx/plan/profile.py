"""What a rehearsal found of one stage: how memory, FLOPs and bytes grow, as formulas that answer in milliseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

from dynaxx.plan.growth import Scale, Terms, evaluate
from dynaxx.plan.heights import Heights, Matrix
from dynaxx.plan.tracker import OpKey

Part = Mapping[OpKey, int]
"""Operations and how often each is carried out."""


@final
@dataclass(frozen=True)
class Profile:
    """One stage's work in one mode.

    Sampling: `parts` holds the first step, each step between, the last one and what follows, without the network;
    `evaluations` the network's operations by how many copies of the batch it was given (2 under guidance). Training:
    the first part of a step, and where it accumulates several, one of those after it. `heights` are the peaks of the
    memory held, weights included, `weights` their bytes. All bytes are those of the number format `dtype`, in which it
    was rehearsed.
    """

    scale: Scale
    parameters: int
    weights: int
    heights: Heights
    parts: tuple[Part, ...]
    evaluations: Mapping[int, Part] = field(default_factory=dict)
    dtype: str = "float32"

    def peak_bytes(self, batch: int, size: Sequence[int], *, on_cpu: bool = True) -> float:
        """The most memory that is held at once: by tensors, and on a CPU by its kernels' copies beside them."""
        units = self.scale.units(batch, size)
        tensors, at_work = self._matrices
        return max(tensors.highest(units), at_work.highest(units) if on_cpu else 0.0)

    @cached_property
    def _matrices(self) -> tuple[Matrix, Matrix]:
        return Matrix.of(self.heights.tensors), Matrix.of(self.heights.at_work)

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
            "weights": self.weights, "heights": [sorted(self.heights.tensors), sorted(self.heights.at_work)],
            "parts": [_listed(part) for part in self.parts],
            "evaluations": [[copies, _listed(part)] for copies, part in self.evaluations.items()],
            "dtype": self.dtype,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Profile:
        """The profile that `to_json` wrote."""
        rank, cell, fixed = data["scale"]
        return cls(
            Scale(rank, cell, tuple(fixed) if fixed else None), data["parameters"], data["weights"],
            Heights(*({_terms(terms) for terms in kind} for kind in data["heights"])),
            tuple(_part(part) for part in data["parts"]),
            {copies: _part(part) for copies, part in data["evaluations"]}, data["dtype"],
        )  # fmt: skip


def _listed(part: Part) -> list[Any]:
    return [[*key, n] for key, n in part.items()]


def _part(rows: Sequence[Any]) -> Part:
    return {(kind, tuple(shape), _terms(flops), _terms(moved)): n for kind, shape, flops, moved, n in rows}


def _terms(rows: Sequence[Any]) -> Terms:
    return tuple((tuple(powers), c) for powers, c in rows)
