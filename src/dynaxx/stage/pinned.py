"""Weights held once in page-locked memory: copied to a device while other work goes on, and never copied back."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from copy import copy, deepcopy
from typing import Any, final

import torch
from torch import Tensor, nn

from dynaxx.signal.device import aside, has_streams, synchronize, wait_for
from dynaxx.signal.device_memory import page_locked
from dynaxx.stage.packed import Packed, pack


@final
class Pinned:
    """The master copy of some modules' weights; the modules point to it, or to a copy on a device.

    The copy is made on a stream of its own. Its memory is taken from the stream that computes, so that what a stage
    leaves is room for the next, and a device holds no pool beside the one that it works with.
    """

    def __init__(self, modules: Iterable[nn.Module]) -> None:
        held = {id(x): x for module in modules for x in (*module.parameters(), *module.buffers())}
        self._places = list(held.values())  # tied weights are one place
        self._master = pack([x.data for x in self._places], page_locked)
        self._coming: Packed | None = None
        self._arrived: Any = None
        self._on: torch.device | None = None
        self._towards: torch.device | None = None
        self.drop()

    def __del__(self) -> None:
        """A copy that is on its way is there before its memory is another's."""
        if not sys.is_finalizing() and getattr(self, "_towards", None) is not None:
            self._leave()

    def __deepcopy__(self, memo: dict[int, Any]) -> Pinned:
        """A replica's: its modules point to the same master, which nobody writes to."""
        made = copy(self)
        made._places = deepcopy(self._places, memo)
        made._coming = made._arrived = made._towards = None
        made.drop()
        return made

    @property
    def weights_bytes(self) -> int:
        """What a copy takes."""
        return sum(x.numel() * x.element_size() for x in self._places)

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
        here, ahead, coming = self._master.pieces, has_streams(device), self._master.on(device)
        try:
            self._arrived = aside(device, lambda: _copy(here, coming.pieces, ahead=ahead))
        except BaseException:
            synchronize(device)  # what has begun writes to memory that is let go of here
            raise
        self._towards, self._coming = device, coming

    def finish(self, device: torch.device) -> None:
        """Have the modules work on `device`, once the copy is there."""
        if self._on == device:
            return
        self.begin(device)
        self._wait(device)
        assert self._coming is not None
        self._point(self._coming)
        self._coming, self._towards, self._on = None, None, device

    def drop(self) -> None:
        """Let go of the copy: the modules point to the master again."""
        self._leave()
        self._point(self._master)
        self._on = None

    def lay_out(self) -> None:
        """Have the master in the layout and number format of the modules' weights, so that copies of it are as well."""
        held, on = [x.data for x in self._places], self._on
        if all(
            x.stride() == y.stride() and x.dtype == y.dtype for x, y in zip(held, self._master.tensors(), strict=True)
        ):
            return
        self._master = pack(held, page_locked)
        held.clear()  # and with it, where the modules point to the master, what they had before
        self.drop()
        if on is not None:
            self.finish(on)

    def _leave(self) -> None:
        """Let go of a copy that is on its way."""
        if self._towards is not None:
            self._wait(self._towards)
        self._coming, self._towards = None, None

    def _wait(self, device: torch.device) -> None:
        """What is computed from here on comes after the copy."""
        if self._arrived is not None:
            wait_for(device, self._arrived)
        self._arrived = None

    def _point(self, packed: Packed) -> None:
        for place, x in zip(self._places, packed.tensors(), strict=True):
            place.data = x


def _copy(sources: list[Tensor], targets: list[Tensor], *, ahead: bool) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source, non_blocking=ahead)
