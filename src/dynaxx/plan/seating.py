"""Who holds what in a run over several devices: their names, their room for weights, and what stages ask of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch

from dynaxx.errors import UsageError
from dynaxx.plan.assign import Load, Spread, assign, refuse_overfull
from dynaxx.plan.pace import on_cpu
from dynaxx.plan.placement import SHARE_FOR_WEIGHTS
from dynaxx.plan.profiles import OPEN_KINDS
from dynaxx.plan.time.devices import known_devices
from dynaxx.plan.time.interval import Interval
from dynaxx.signal.device import accelerators, numbered
from dynaxx.signal.device_memory import total_bytes
from dynaxx.spec.graph import Node, first_nodes
from dynaxx.spec.problem import did_you_mean
from dynaxx.spec.stage import PipelineStage


def names_of(devices: Sequence[str] | Spread) -> tuple[str, ...]:
    """All devices, each once.

    Raises:
        UsageError: if one is none.
    """
    several = devices.values() if isinstance(devices, Mapping) else [devices]
    found = tuple(dict.fromkeys(device for some in several for device in some))
    for device in found:
        try:
            torch.device(device)
        except RuntimeError as error:
            raise UsageError("--devices", f"{device!r} is no device.", "Name such as cuda:0 or cpu:1.") from error
    return found


def room_bytes(device: str, kind: str, cap_bytes: int | None) -> int | None:
    """The bytes that a device has for weights: a share of the cap, or of its own memory where that is known."""
    limits = [float(cap_bytes)] if cap_bytes is not None else []
    if not on_cpu(device):
        known, place = known_devices().get(kind), torch.device(device)
        limits += [known.memory_bytes] if known else []
        here = not known and str(numbered(place)) in accelerators()
        limits += [total] if here and (total := total_bytes(place)) else []
    return int(min(limits) * SHARE_FOR_WEIGHTS) if limits else None


def loads_of(
    graph: Sequence[Node],
    weights: Mapping[str, int | None],
    seconds: Mapping[str, Interval] | None,
    *,
    frugal: bool,
) -> dict[str, Load]:
    """What stages ask of a device; pipelines can be streamed, and our own networks where a cap has them mapped."""
    kinds = {name: node.stage for name, node in first_nodes(graph).items()}
    able = {
        name: isinstance(kind, PipelineStage) or (frugal and isinstance(kind, OPEN_KINDS))
        for name, kind in kinds.items()
    }
    return {name: Load(seconds[name].value if seconds else 1.0, weights[name], able[name]) for name in kinds}


def seat(
    devices: Sequence[str] | Spread,
    home: str,
    loads: Mapping[str, Load],
    rooms: Mapping[str, int | None],
    *,
    told: bool,
) -> tuple[Spread, Literal["name", "clock"]]:
    """Which devices hold each stage: as named, or by the times that were told; `home` has those that nobody names.

    Raises:
        UsageError: if a stage is not known, or devices are only listed and no times were told.
        RunError: if weights do not fit.
    """
    if isinstance(devices, Mapping):
        for name in devices:
            if name not in loads:
                fix = f"{did_you_mean(name, loads)}Known: {', '.join(loads)}."
                raise UsageError(f"stage {name!r}", "no such stage to spread.", fix)
        spread = {name: tuple(devices.get(name) or (home,)) for name in loads}
        refuse_overfull(loads, spread, rooms)
        return spread, "name"
    if not told:
        problem = "nothing tells how long every stage takes here: a run makes a few samples to see, and chooses then."
        fix = "Name the devices of each stage (base=cuda:0), time this machine (--calibrate), or name a known --device."
        raise UsageError("--devices", problem, fix)
    return assign(loads, {device: rooms[device] for device in devices}), "clock"
