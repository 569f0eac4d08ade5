"""The score that settings are chosen by: how much of what is asked for a cascade gives, on the truth's own scale.

    score = 1 - D / D0,    D0 = 1 - mean_{i != j} k(y_i, y_j)

k is the lens' kernel on features. Where every signal is asked for in words of its own, D is the mean over prompts of
the squared kernel distance (MMD^2) between what a prompt gives and its true signal y,

    D = mean_i [1 + k(x_i, x'_i) - k(x_i, y_i) - k(x'_i, y_i)],    x_i, x'_i two draws for prompt i,

a proper score (Gneiting and Raftery, JASA 2007, section 5): neither averages nor copies beat the truth. Elsewhere D
is MMD^2 between the sets. 1 is perfect; at 0 a cascade is no better than true signals handed out at random (one true
signal for all). D is a mean of unbiased terms, so it does not depend on how many samples there are; and as the score is
not near 0 where a cascade is good, a share of it means something, which a share of MMD^2 alone would not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from dynaxx.lens.reference import Reference
from dynaxx.lens.sweep import of_samples
from dynaxx.metrics.builtin import Builtin
from dynaxx.metrics.features import Features, Standard
from dynaxx.metrics.kernels import Gaussian
from dynaxx.metrics.mmd import mmd2
from dynaxx.metrics.pairwise import Pairwise

OWN_WORDS = 0.5
"""From this share of different prompts on, each is taken to ask for its own signal."""


def draws_for(reference: Reference) -> int:
    """Draws for each signal of the reference: 2 where its prompt asks for it alone, else 1."""
    return 2 if len(set(reference.prompts)) > OWN_WORDS * len(reference) else 1


@final
@dataclass(frozen=True, eq=False)
class Truth:
    """True signals `(n, C, *size)` on one grid, as features on their own scale; `draws` for each are scored."""

    x: Tensor
    draws: int
    features: Features = Builtin()

    @cached_property
    def _scale(self) -> Standard:
        return Standard.of(self._raw)

    @cached_property
    def _raw(self) -> Tensor:
        return self.features(self.x)

    @cached_property
    def _y(self) -> Tensor:
        return self._scale(self._raw)

    @cached_property
    def _kernel(self) -> Gaussian:
        return Gaussian.of(self._y)

    @cached_property
    def apart(self) -> float:
        """D0: how far apart two true signals are."""
        among = self._kernel(self._y, self._y)
        n = len(among)
        return 1 - float(among.sum() - among.diagonal().sum()) / (n * (n - 1))

    def score(self, features: Tensor) -> Pairwise:
        """The score of the features of answers to the first signals, `draws` for each, one after another."""
        answers = self._scale(features).unflatten(0, (-1, self.draws))
        y = self._y[: len(answers)]
        if self.draws == 1:
            distance = self.distance(features)
            return Pairwise(torch.ones_like(distance.h)) - distance * (1 / self.apart)
        return of_samples(1 - self._own(answers, y) / self.apart)

    def distance(self, features: Tensor) -> Pairwise:
        """MMD^2 between the first answers to each of the first signals, and these signals."""
        first = self._scale(features).unflatten(0, (-1, self.draws))[:, 0]
        return mmd2(first, self._y[: len(first)], self._kernel)

    def _own(self, answers: Tensor, y: Tensor) -> Tensor:
        """Each prompt's D, `(m,)`."""
        one, other = answers[:, 0], answers[:, 1]
        return 1 + self._like(one, other) - self._like(one, y) - self._like(other, y)

    def _like(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-(a - b).square().sum(1) / (2 * self._kernel.width**2))
