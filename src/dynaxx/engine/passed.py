"""One event of a run as it went: when, for how long, what it moved, and the time that was lost to moving."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch

from dynaxx.signal import device_memory

STATM = Path("/proc/self/statm")
"""Pages of this process: all of them, and those that are in memory."""
MOVING = ("fetch", "stream", "evict", "fetch-codec", "evict-codec")
"""Kinds of events that move weights, and in which no stage runs; what `ahead` begins goes on while one does."""
AWAITED = ("encode", "fetch", "stream", "run", "fetch-codec", "decode")
"""Kinds of events that last until a GPU has done what they ask of it: the others leave it nothing to wait for."""


@final
@dataclass(frozen=True)
class Passed:
    """An event `began_s` after the run did, `latency_s` long.

    `weights_bytes` are those of the stage that it moves, as their files state them. `grew_bytes` is measured: by how
    much what the device holds grew, below 0 where it was let go of. On a CPU weights that are mapped when they are
    fetched count from when they are touched, as the stage runs. None where nobody says.
    """

    event: str
    began_s: float
    latency_s: float
    weights_bytes: int | None = None
    grew_bytes: int | None = None

    @property
    def lost_s(self) -> float:
        """The seconds in which weights were moved and nothing else was done."""
        return self.latency_s if kind_of(self.event) in MOVING else 0.0


def kind_of(event: str) -> str:
    """What an event does; its name goes on with what it does it to."""
    return event.split(" ")[0]


def held_bytes(device: torch.device) -> int | None:
    """What a device holds for this process: the allocator's bytes of a GPU, the resident pages elsewhere."""
    if (held := device_memory.held_bytes(device)) is not None:
        return held
    try:
        pages = int(STATM.read_text().split()[1])
    except OSError:  # no Linux
        return None
    import resource

    return pages * resource.getpagesize()
