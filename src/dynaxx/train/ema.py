"""An exponential moving average of weights, by half-life in images."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn

from dynaxx.spec.training import EmaSpec


@final
class Ema:
    """`w <- beta w + (1 - beta) theta`, beta = 0.5^(batch / min(half-life, ramp * images)) (arXiv 2312.02696).

    Early on the half-life is the `ramp` share of the images seen so far, so that the beginning is soon forgotten;
    a ramp of 0 leaves it as it is. Without a spec the average is the weights themselves.
    """

    def __init__(self, spec: EmaSpec | None, network: nn.Module) -> None:
        self.spec, self._network = spec, network
        self._average = None if spec is None else [p.detach().clone() for p in network.parameters()]

    @torch.no_grad()
    def update(self, images: int, batch: int) -> None:
        """Take in the weights after a step over `batch` images, the last of `images` in all."""
        if self._average is None or self.spec is None:
            return
        half_life = float(self.spec.half_life_images)
        if self.spec.ramp:
            half_life = min(half_life, images * self.spec.ramp)
        torch._foreach_lerp_(self._average, self._parameters(), 1 - 0.5 ** (batch / half_life))

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The network with the averaged weights, and as it was afterwards."""
        if self._average is None:
            yield
            return
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> dict[str, Tensor]:
        """The averaged weights by name; empty without a spec."""
        names = (name for name, _ in self._network.named_parameters())
        return dict(zip(names, self._average or (), strict=False))

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        """Take up a saved average."""
        for name, average in self.state().items():
            average.copy_(state[name])

    def _parameters(self) -> list[Tensor]:
        return [p.detach() for p in self._network.parameters()]

    @torch.no_grad()
    def _swap(self) -> None:
        for weight, average in zip(self._parameters(), self._average or (), strict=True):
            kept = weight.clone()
            weight.copy_(average)
            average.copy_(kept)
