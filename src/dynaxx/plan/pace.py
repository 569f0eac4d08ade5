"""How fast stages that are spread over devices are: a sample's way through all of them, and the bottleneck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

from dynaxx.plan.assign import Load, Spread, bottleneck_s
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.time.interval import Interval, in_turn
from dynaxx.plan.told import Teller

BATCHES = 2
"""A run is cut into at least so many batches for each device: with one, all others would wait."""


@final
@dataclass(frozen=True)
class Pace:
    """Seconds: `way_s` of a sample through all stages, `bottleneck_s` of each in a long run with all devices at work.

    `run_s` is the whole run: one batch's way, and the others at the bottleneck's pace. None where no clock knows all
    stages; workers on one CPU share its cores, so that nobody knows their pace.
    """

    way_s: Interval | None = None
    bottleneck_s: Interval | None = None
    run_s: Interval | None = None


def batch_of(most: int, samples: int, devices: int) -> int:
    """The samples of a batch of a run that is spread over devices."""
    return min(most, -(-samples // (BATCHES * devices)))


def stage_seconds(plans: Sequence[NodePlan], teller: Teller) -> dict[str, Interval] | None:
    """Seconds of each stage for a sample of a full batch; None where the clock does not know all of them."""
    found: dict[str, Interval] = {}
    for one in plans:
        if one.profile is None or not teller.knows(one.profile):
            return None
        took = teller.seconds(one.node, one.profile, one.work, samples=one.batch, batch=one.batch).times(1 / one.batch)
        name = one.node.stage.name
        found[name] = found[name].plus(took) if name in found else took
    return found or None


def pace_of(
    seconds: Mapping[str, Interval] | None, loads: Mapping[str, Load], spread: Spread, samples: int, batch: int
) -> Pace:
    """The pace of a run, from each stage's seconds for a sample."""
    if seconds is None:
        return Pace()
    way = in_turn(seconds.values())
    if sum(map(on_cpu, {device for devices in spread.values() for device in devices})) > 1:
        return Pace(way)
    value, low, high = (
        bottleneck_s(
            {name: replace(loads[name], latency_s=getattr(told, end)) for name, told in seconds.items()}, spread
        )
        for end in ("value", "low", "high")
    )
    least = Interval(value, low, high)
    return Pace(way, least, way.times(batch).plus(least.times(samples - batch)))


def on_cpu(device: str) -> bool:
    """Whether a device, or a known one's name, is the CPU or a worker on it, in the machine's own memory."""
    return device.partition(":")[0] == "cpu"
