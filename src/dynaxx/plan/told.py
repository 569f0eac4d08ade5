"""How long a node takes: what a clock says of its work, sharpened by the runs of it that this machine has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch

from dynaxx.plan.profile import Profile
from dynaxx.plan.profiles import name_of
from dynaxx.plan.time.calibrate import observed
from dynaxx.plan.time.choose import HERE, Clock, clock_for, run_seconds
from dynaxx.plan.time.interval import Interval
from dynaxx.plan.time.observed import Observed
from dynaxx.plan.tracker import OpKey
from dynaxx.spec.condition import ConditionSpec
from dynaxx.spec.graph import Node


@final
@dataclass(frozen=True)
class Teller:
    """A clock, the cascade's condition, and what was seen; `seen` is None for devices that are not this machine's."""

    clock: Clock
    asks: ConditionSpec
    seen: Observed | None = None

    def seconds(
        self, node: Node, profile: Profile, work: Mapping[OpKey, int], *, samples: int = 1, batch: int = 1
    ) -> Interval:
        """How long `samples` samples take to pass a node, `batch` at a time."""
        told = run_seconds(self.clock, profile, work, samples=samples, batch=batch, size=node.grid.size)
        name = name_of(node, self.asks)
        return told if self.seen is None or name is None else self.seen.sharpened(name, told)


def teller_for(device: str, asks: ConditionSpec) -> tuple[Teller | None, str]:
    """What tells the time of a device, and where its figures are from; None for a machine that was not calibrated.

    Raises:
        UsageError: if the device is neither this machine's nor in the table of known ones.
    """
    clock, source = clock_for(device)
    if clock is None:
        return None, source
    here = device.split(":")[0] in HERE
    return Teller(clock, asks, observed(torch.device(device)) if here else None), source
