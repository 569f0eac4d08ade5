"""What a rehearsal found of one stage: how memory, FLOPs and bytes grow, as formulas that answer in milliseconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

from dynaxx.plan.growth import Scale, Terms, evaluate
from dynaxx.plan.heights import Heights, Matrix
from dynaxx.plan.scores import Scores
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
        peak = self._tensors.highest(units)
        for scores, heights in self._at_work if on_cpu else ():
            peak = max(peak, heights.highest(units) + (scores.bytes_at(units) if scores else 0.0))
        return peak

    @cached_property
    def _tensors(self) -> Matrix:
        return Matrix.of(self.heights.tensors)

    @cached_property
    def _at_work(self) -> list[tuple[Scores | None, Matrix]]:
        return [(scores, Matrix.of(several)) for scores, several in self.heights.by_scores().items()]

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
            "weights": self.weights, "tensors": sorted(self.heights.tensors),
            "at_work": [[scores, sorted(several)] for scores, several in self.heights.by_scores().items()],
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
            Heights({_terms(one) for one in data["tensors"]}, _beside(data["at_work"])),
            tuple(_part(part) for part in data["parts"]),
            {copies: _part(part) for copies, part in data["evaluations"]}, data["dtype"],
        )  # fmt: skip


def _listed(part: Part) -> list[Any]:
    return [[*key, n] for key, n in part.items()]


def _part(rows: Sequence[Any]) -> Part:
    return {(kind, tuple(shape), _terms(flops), _terms(moved)): n for kind, shape, flops, moved, n in rows}


def _beside(rows: Sequence[Any]) -> set[tuple[Terms, Scores | None]]:
    """Heights at work, each with its scores."""
    found = [(scores and Scores(_terms(scores[0]), _terms(scores[1]), scores[2]), several) for scores, several in rows]
    return {(_terms(one), scores) for scores, several in found for one in several}


def _terms(rows: Sequence[Any]) -> Terms:
    return tuple((tuple(powers), c) for powers, c in rows)
