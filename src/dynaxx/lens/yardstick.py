"""How far a set of answers is from the truth: MMD^2 on features, on the truth's own scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, final

from torch import Tensor

from dynaxx.metrics.builtin import Builtin
from dynaxx.metrics.features import Features, Standard
from dynaxx.metrics.kernels import Gaussian
from dynaxx.metrics.mmd import mmd2
from dynaxx.metrics.pairwise import Pairwise


class Yardstick(Protocol):
    """A distance between sets of one size on one grid, 0 in expectation for sets of one kind."""

    @property
    def name(self) -> str:
        """What tells it from others, for records."""

    def __call__(self, x: Tensor, truth: Tensor) -> Pairwise:
        """The distance of `x (m, C, *size)` from the first m signals of `truth (n, C, *size)`, n at least m."""


@final
@dataclass(frozen=True)
class OnFeatures:
    """MMD^2 on features that the whole truth sets scale and kernel width for, so that distances can be compared."""

    features: Features = Builtin()
    _scales: dict[tuple[int, ...], tuple[Tensor, Standard, Gaussian, Tensor]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The features' name."""
        return self.features.name

    def __call__(self, x: Tensor, truth: Tensor) -> Pairwise:
        """MMD^2 of the features."""
        known = self._scales.get(tuple(truth.shape))
        if known is None or known[0] is not truth:
            raw = self.features(truth)
            scale = Standard.of(raw)
            known = (truth, scale, Gaussian.of(scale(raw)), scale(raw))
            self._scales[tuple(truth.shape)] = known
        _, scale, kernel, theirs = known
        return mmd2(scale(self.features(x)), theirs[: len(x)], kernel)
