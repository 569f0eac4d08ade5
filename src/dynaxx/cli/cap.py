"""What is said of a memory cap that was not held: on a CPU nothing enforces one."""

from __future__ import annotations

import torch

from dynaxx.cli.quantity import size_of
from dynaxx.engine.trace import GIB, peak_gib


def said_of_cap(cap_bytes: int | None, device: torch.device) -> str:
    """A sentence where a process on a CPU has taken more than its cap, else nothing."""
    peak_bytes = round(peak_gib(device) * GIB) if cap_bytes is not None and device.type == "cpu" else 0
    if cap_bytes is None or peak_bytes <= cap_bytes:
        return ""
    return (
        f"The cap of {size_of(cap_bytes)} was not held: the process took up to {size_of(peak_bytes)}, libraries and "
        f"mapped weights included. On a CPU a cap decides where weights lie, and nothing enforces it."
    )
