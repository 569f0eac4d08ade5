"""Which devices hold which stages of a run: as they were named, or by the stages' times and weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch

from dynaxx.engine.move import weights_bytes
from dynaxx.errors import DynaxxError
from dynaxx.plan.assign import Load, Spread, assign, refuse_overfull, streamed
from dynaxx.plan.pace import stage_seconds
from dynaxx.plan.placement import SHARE_FOR_WEIGHTS
from dynaxx.plan.predict import plan_run
from dynaxx.plan.told import teller_for
from dynaxx.signal.device_memory import total_bytes
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.stage.stage import Stage, Streams

By = Literal["name", "clock", "measured"]


@final
@dataclass(frozen=True)
class Seats:
    """The devices of each stage, what says so, and which stages come block by block to which device."""

    spread: Spread
    by: By
    streamed: frozenset[tuple[str, str]] = frozenset()

    @property
    def devices(self) -> tuple[str, ...]:
        """All devices, each once."""
        return tuple(dict.fromkeys(device for devices in self.spread.values() for device in devices))


def seat_by_name(stages: Mapping[str, Stage], spread: Spread, cap_bytes: int | None) -> Seats:
    """The stages where they were named to be, if every device has room for their weights.

    Raises:
        RunError: naming device, stages, and their sizes.
    """
    seats = Seats(spread, "name")
    loads, room = loads_of(stages, dict.fromkeys(stages, 1.0)), rooms(seats.devices, cap_bytes)
    refuse_overfull(loads, spread, room)
    return Seats(spread, "name", _streamed(loads, spread, room))


def seat_by_time(
    stages: Mapping[str, Stage], devices: Sequence[str], cap_bytes: int | None, latency_s: Mapping[str, float], by: By
) -> Seats:
    """The stages where the bottleneck is least, each device holding at most 80% of the cap in weights.

    Raises:
        RunError: if weights do not fit.
        UsageError: if there are too many combinations to try.
    """
    loads, room = loads_of(stages, latency_s), rooms(devices, cap_bytes)
    spread = assign(loads, room)
    return Seats(spread, by, _streamed(loads, spread, room))


def rooms(devices: Sequence[str], cap_bytes: int | None) -> dict[str, int | None]:
    """The bytes that each device has for weights: a share of the cap, or of the GPU; None where nothing limits it."""
    return {device: _room(torch.device(device), cap_bytes) for device in devices}


def loads_of(stages: Mapping[str, Stage], latency_s: Mapping[str, float]) -> dict[str, Load]:
    """What stages ask of a device."""
    weights = weights_bytes(stages)
    return {name: Load(latency_s[name], weights[name], isinstance(stage, Streams)) for name, stage in stages.items()}


def told_s(spec: CascadeSpec, nodes: Sequence[Node], batch: int, *, device: torch.device) -> dict[str, float] | None:
    """Seconds of each stage for a sample by the plan's clock; None where it does not know all of them."""
    try:
        teller, _ = teller_for(str(device), spec.condition)
        plans = plan_run(spec, nodes, samples=batch, batch=batch).nodes if teller else ()
    except DynaxxError:
        return None
    found = stage_seconds(plans, teller) if teller else None
    return None if found is None else {name: told.value for name, told in found.items()}


def _streamed(loads: Mapping[str, Load], spread: Spread, room: Mapping[str, int | None]) -> frozenset[tuple[str, str]]:
    return frozenset(
        (name, device) for name, devices in spread.items() for device in devices if streamed(loads[name], room[device])
    )


def _room(device: torch.device, cap_bytes: int | None) -> int | None:
    limits = [found for found in (cap_bytes, total_bytes(device)) if found is not None]
    return int(min(limits) * SHARE_FOR_WEIGHTS) if limits else None
