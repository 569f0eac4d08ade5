"""What two samples are compared by: a feature extractor of one's choice, on a scale that the reference sets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, final

import torch
from torch import Tensor, nn

from dynaxx.errors import UsageError
from dynaxx.signal.device import double
from dynaxx.signal.resample import resample

BATCH = 64
FLOOR = 1e-3
"""A feature that hardly varies over the reference is scaled as if it had this share of the typical spread."""


class Features(Protocol):
    """From signals `(B, C, *size)` in [-1, 1] to features `(B, D)`; the same sample gives the same in any batch."""

    @property
    def name(self) -> str:
        """What tells this extractor from others, for records and caches."""

    def __call__(self, x: Tensor) -> Tensor:
        """The features of each sample."""


@final
@dataclass(frozen=True)
class TorchFeatures:
    """Any torch module, or function, as an extractor: `(B, C, *size)` to whatever, flattened to `(B, D)`.

    `size` is the grid it expects, where it expects one; `prepare` brings signals from [-1, 1] to its own range.
    """

    module: nn.Module | Callable[[Tensor], Tensor]
    name: str
    size: tuple[int, ...] | None = None
    prepare: Callable[[Tensor], Tensor] | None = None
    batch_size: int = BATCH

    def __call__(self, x: Tensor) -> Tensor:
        """The features of each sample, on the CPU."""
        if isinstance(self.module, nn.Module):
            self.module.eval()
        with torch.inference_mode():
            return torch.cat([self._part(part) for part in x.split(self.batch_size)])

    def _part(self, x: Tensor) -> Tensor:
        resized = x if self.size is None else resample(x, self.size, "bicubic-antialias")
        answer = self.module(resized if self.prepare is None else self.prepare(resized))
        if not isinstance(answer, Tensor) or answer.shape[:1] != x.shape[:1]:
            got = f"shape {tuple(answer.shape)}" if isinstance(answer, Tensor) else type(answer).__name__
            fix = "Wrap the module, so that it answers with one row of numbers for each sample."
            raise UsageError(f"features {self.name!r}", f"answered with {got} to {len(x)} samples.", fix)
        return answer.flatten(1).float().cpu()


@final
@dataclass(frozen=True)
class Standard:
    """Features on the scale of a reference: each of its features has mean 0 and std 1."""

    mean: Tensor
    std: Tensor

    @classmethod
    def of(cls, reference: Tensor) -> Standard:
        """The scale of reference features `(n, D)`, n at least 2.

        Raises:
            UsageError: where the reference does not vary, or holds numbers that are not finite.
        """
        if len(reference) < 2 or not torch.isfinite(reference).all():
            problem = f"needs at least 2 samples with finite features, but got shape {tuple(reference.shape)}."
            raise UsageError("reference", problem, "Give other data, or other features.")
        std = double(reference).std(dim=0)
        typical = float(std.square().mean().sqrt())
        if not typical > 0:
            raise UsageError("reference", "holds equal samples only.", "Give varied data.")
        return cls(double(reference).mean(dim=0), std.clamp(min=FLOOR * typical))

    def __call__(self, features: Tensor) -> Tensor:
        """The features on this scale, float64."""
        return (double(features) - self.mean) / self.std
