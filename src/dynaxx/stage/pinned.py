"""Weights held once in page-locked memory: copied to a device while other work goes on, and never copied back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, final

import torch
from torch import Tensor, nn

from dynaxx.signal.device import aside, has_streams, wait_for
from dynaxx.signal.device_memory import page_locked


@final
class Pinned:
    """The master copy of some modules' weights; the modules point to it, or to a copy on a device.

    The copy is made on a stream of its own. Its memory is taken from the stream that computes, so that what a stage
    leaves is room for the next, and a device holds no pool beside the one that it works with.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        held = {id(x): x for module in modules for x in (*module.parameters(), *module.buffers())}
        self._places = list(held.values())  # tied weights are one place
        self._master = [page_locked(x.data) for x in self._places]
        self._coming: list[Tensor] = []
        self._arrived: Any = None
        self._on: torch.device | None = None
        self._towards: torch.device | None = None
        self.drop()

    @property
    def weights_bytes(self) -> int:
        """What a copy takes."""
        return sum(x.numel() * x.element_size() for x in self._master)

    @property
    def on(self) -> torch.device | None:
        """The device that the modules work on; None where they point to the master."""
        return self._on

    @property
    def towards(self) -> torch.device | None:
        """The device that a copy is on its way to."""
        return self._towards

    def begin(self, device: torch.device) -> None:
        """Start to copy to `device`, unless it is there, or on its way there; on a GPU this returns at once."""
        if device in (self._towards, self._on):
            return
        self._leave()
        self._towards, self._coming = device, [torch.empty_like(x, device=device) for x in self._master]
        ahead = has_streams(device)
        self._arrived = aside(device, lambda: _copy(self._master, self._coming, ahead=ahead))

    def finish(self, device: torch.device) -> None:
        """Have the modules work on `device`, once the copy is there."""
        if self._on == device:
            return
        self.begin(device)
        self._wait(device)
        self._point(self._coming)
        self._coming, self._towards, self._on = [], None, device

    def drop(self) -> None:
        """Let go of the copy: the modules point to the master again."""
        self._leave()
        self._point(self._master)
        self._on = None

    def lay_out(self) -> None:
        """Have the master in the layout and number format of the modules' weights, so that copies of it are as well."""
        for i, (place, x) in enumerate(zip(self._places, self._master, strict=True)):
            if place.stride() != x.stride() or place.dtype != x.dtype:
                self._master[i] = page_locked(torch.empty_like(place.data, device=x.device).copy_(x))

    def _leave(self) -> None:
        """Let go of a copy that is on its way."""
        if self._towards is not None:
            self._wait(self._towards)
        self._coming, self._towards = [], None

    def _wait(self, device: torch.device) -> None:
        """What is computed from here on comes after the copy."""
        if self._arrived is not None:
            wait_for(device, self._arrived)
        self._arrived = None

    def _point(self, tensors: list[Tensor]) -> None:
        for place, x in zip(self._places, tensors, strict=True):
            place.data = x


def _copy(sources: list[Tensor], targets: list[Tensor], *, ahead: bool) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source, non_blocking=ahead)
