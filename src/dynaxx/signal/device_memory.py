"""The memory of an accelerator, whoever made it: what it has, holds and held at most; caps; and page-locked memory."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from dynaxx.signal.device import LONE, accelerator, apart, asked, module_of, of

USUAL_SHARE = {LONE: 1.7}
"""What a process may take where nobody says otherwise, over what the device says that it has; 1 for others."""
SHARE_SAID = {LONE: "PYTORCH_MPS_HIGH_WATERMARK_RATIO"}
"""The variable of the environment that says otherwise."""


def has_own_memory(device: torch.device) -> bool:
    """Whether a device has memory beside the machine's."""
    return apart(device) and not shares_memory(device)


def shares_memory(device: torch.device) -> bool:
    """Whether an accelerator works in the machine's own memory, so that what lies on it is not free for the CPU."""
    return device.type == LONE


def total_bytes(device: torch.device) -> int | None:
    """All memory of an accelerator, or the part of the machine's that is for it; None where nobody says."""
    found = getattr(asked(device, "get_device_properties", device), "total_memory", None)
    return asked(device, "recommended_max_memory") if found is None else int(found)


def free_bytes(device: torch.device) -> int | None:
    """What no process has taken of an accelerator's memory; None where nobody says."""
    try:
        found = asked(device, "mem_get_info", device)
    except RuntimeError:  # some of Intel's cannot tell
        return None
    if found is not None:
        return int(found[0])
    taken, total = asked(device, "driver_allocated_memory"), total_bytes(device)
    return None if taken is None or total is None else max(0, total - taken)


def held_bytes(device: torch.device) -> int | None:
    """What this process' tensors take on an accelerator; None where nobody says."""
    found = asked(device, "memory_allocated", device)
    return asked(device, "current_allocated_memory") if found is None else int(found)


def peak_bytes(device: torch.device) -> int | None:
    """The most that `held_bytes` was since `reset_peak`; None where nobody counts."""
    found = asked(device, "max_memory_allocated", device)
    return None if found is None else int(found)


def reset_peak(device: torch.device) -> None:
    """Count the peak from here on."""
    asked(device, "reset_peak_memory_stats", device)


@contextmanager
def held_to(device: torch.device, cap_bytes: int) -> Iterator[None]:
    """Let an accelerator give out no more than the cap, and then as much as it does usually; others cannot be held."""
    total, hold = total_bytes(device), getattr(module_of(device), "set_per_process_memory_fraction", None)
    if total is None or hold is None:
        yield
        return
    if (asked(device, "memory_reserved", *of(device)) or 0) > cap_bytes:
        asked(device, "empty_cache")  # memory that nobody uses, and that counts all the same
    hold(min(1.0, math.nextafter(cap_bytes / total, math.inf)), *of(device))  # the device rounds its share down
    try:
        yield
    finally:
        hold(_usual_share(device), *of(device))


def _usual_share(device: torch.device) -> float:
    """The share of an accelerator's memory that a process may take."""
    try:
        return float(os.environ[SHARE_SAID[device.type]])
    except (KeyError, ValueError):
        return USUAL_SHARE.get(device.type, 1.0)


def page_locked(count: int) -> Tensor | None:
    """So many bytes of page-locked memory, which an accelerator reads by itself; None where none can be had, or is."""
    found = accelerator()
    if found is None or not has_own_memory(torch.device(found)):
        return None
    try:
        return torch.empty(count, dtype=torch.uint8, pin_memory=True)
    except RuntimeError:
        return None
