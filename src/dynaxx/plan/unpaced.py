"""What the pace of a run over several devices knows nothing of: blocks that come as they are needed, unlike devices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch

from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.pace import on_cpu
from dynaxx.plan.time.devices import known_devices
from dynaxx.signal.device import accelerators, name_of, numbered
from dynaxx.signal.device_memory import total_bytes

GIB = 2**30


@final
@dataclass(frozen=True)
class Unpaced:
    """By stage, the bytes that its blocks bring to a device in a run; by device, what it is, where they are unlike."""

    brought_bytes: Mapping[str, int]
    unlike: Mapping[str, str]


def unpaced(plans: Sequence[NodePlan], devices: Sequence[str], kind: str) -> Unpaced:
    """The same of a run's nodes on devices that are all timed as one `kind`."""
    brought = Counter[str]()
    for one in plans:
        brought[one.node.stage.name] += one.brought_bytes
    return Unpaced({name: count for name, count in brought.items() if count}, _unlike(devices, kind))


def _unlike(devices: Sequence[str], kind: str) -> dict[str, str]:
    """What this machine's own devices are; nothing where all are alike, or are told to be of a published kind."""
    if kind in known_devices():
        return {}
    places = {device: torch.device(device) for device in devices if not on_cpu(device)}
    found = {
        device: (name_of(place) or place.type, total_bytes(place))
        for device, place in places.items()
        if str(numbered(place)) in accelerators()
    }
    words = {device: name + (f", {size / GIB:.3g} GiB" if size else "") for device, (name, size) in found.items()}
    return words if len(set(found.values())) > 1 else {}
