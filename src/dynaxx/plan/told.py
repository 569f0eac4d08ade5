"""How long a node takes: what a clock says of its work, sharpened by the runs of it that this machine has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from dynaxx.plan.profile import Profile
from dynaxx.plan.profiles import name_of
from dynaxx.plan.tiles import one_tile
from dynaxx.plan.time.choose import Clock, clock_for
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.time.kept import observed
from dynaxx.plan.time.observed import Observed, Way
from dynaxx.plan.tracker import OpKey
from dynaxx.plan.walk import steps_of
from dynaxx.signal.device import device_of, kinds
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import by_x


@final
@dataclass(frozen=True)
class Teller:
    """A clock, the cascade's condition, and what was seen; `seen` is None for devices that are not this machine's."""

    clock: Clock
    asks: ConditionSpec
    seen: Observed | None = None

    def knows(self, profile: Profile) -> bool:
        """Whether the time of work in the profile's number format can be told."""
        return self.clock.knows(profile)

    def seconds(
        self, node: Node, profile: Profile, work: Mapping[OpKey, int], *, samples: int = 1, batch: int = 1
    ) -> Interval:
        """How long `samples` samples take to pass a node, `batch` at a time: full batches, and what is left."""
        whole, left = divmod(samples, batch)
        found = self._batch(node, profile, work, batch).times(whole)
        return found.plus(self._batch(node, profile, work, left)) if left else found

    def _batch(self, node: Node, profile: Profile, work: Mapping[OpKey, int], batch: int) -> Interval:
        told = self.told(node, profile, work, batch)
        way = way_of(node, self.asks, batch)
        return told if self.seen is None or way is None else self.seen.sharpened(way, told)

    def told(self, node: Node, profile: Profile, work: Mapping[OpKey, int], batch: int) -> Interval:
        """How long one batch takes by the clock alone, one tile after another where there are some."""
        part, tiles = one_tile(node)
        return self.clock.seconds(profile, work, batch, part.grid.size).times(tiles)

    def first_extra_s(self, node: Node, batch: int) -> float | None:
        """How much longer a process' first batch takes; None where it and a warm one were not seen."""
        way = way_of(node, self.asks, batch)
        return None if self.seen is None or way is None else self.seen.first_extra_s(way)


def way_of(node: Node, asks: ConditionSpec, batch: int) -> Way | None:
    """What names a node's work and how it is run: batch and steps up to a power of two, which the clock bridges.

    None for kinds whose work depends on more than their spec.
    """
    if (name := name_of(node, asks)) is None:
        return None
    steps, tile = steps_of(node), node.stage.tile or "whole"
    return Way(name, f"{by_x(node.grid.size)}/{tile}/{batch.bit_length()}/{steps.bit_length()}")


def teller_for(device: str, asks: ConditionSpec) -> tuple[Teller | None, str]:
    """What tells the time of a device, and where its figures are from; None for a machine that was not calibrated.

    Raises:
        UsageError: if the device is neither this machine's nor in the table of known ones.
    """
    clock, source = clock_for(device)
    return (None if clock is None else teller_of(clock, device, asks)), source


def teller_of(clock: Clock, device: str, asks: ConditionSpec) -> Teller:
    """A device's clock, sharpened by the runs that this machine has seen where it is its own."""
    here = device.partition(":")[0] in kinds()
    return Teller(clock, asks, observed(device_of(device)) if here else None)
