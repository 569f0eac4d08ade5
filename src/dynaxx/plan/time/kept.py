"""What is known of this machine, kept in the cache folder: its calibration, and the runs that were seen since."""

from __future__ import annotations

import platform
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import torch

from dynaxx.plan.time.clock import ProbedClock
from dynaxx.plan.time.observed import Observed
from dynaxx.signal.device import apart, name_of
from dynaxx.store.cache import cache_folder, recall, remember

FORMAT = 7
"""Of a kept calibration; raised whenever what is timed, or what it is taken for, changes."""


def machine_name(device: torch.device) -> str:
    """The device, as people call it, with what its speed depends on."""
    if apart(device):
        return f"{name_of(device) or f'{device.type} of {_cpu_name()}'}, torch {torch.__version__}"
    return f"{_cpu_name()}, {torch.get_num_threads()} threads, torch {torch.__version__}"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _place(device: torch.device, ending: str = "") -> Path:
    name = blake2b(f"{FORMAT} {machine_name(device)}".encode(), digest_size=8).hexdigest()
    return cache_folder("machines", f"{name}{ending}.json")


def observed(device: torch.device) -> Observed:
    """The runs that were seen on this machine since it was calibrated."""
    return Observed.read(_place(device, "-observed"))


def keep(clock: ProbedClock, device: torch.device) -> bool:
    """Keep a calibration for the next time; say whether it could be. Runs that were held against another are let go."""
    kept = remember(_place(device), clock.to_json())
    if kept:
        with suppress(OSError):
            _place(device, "-observed").unlink(missing_ok=True)
    return kept


def calibrated(device: torch.device) -> ProbedClock | None:
    """This machine's calibration, or None where there is none, or none that is whole."""
    found = recall(_place(device))
    try:
        return None if found is None else ProbedClock.from_json(found)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
