"""Times how weights come to a device of this machine: a file of ours is mapped, read from the disk, and copied."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from dynaxx.plan.time.transfer import Transfer
from dynaxx.signal.device import apart, synchronize
from dynaxx.signal.device_memory import has_own_memory, page_locked, total_bytes
from dynaxx.store.cache import cache_folder

BYTES = 2**25
"""Of the file: large beside what it takes to open it, written in a moment."""
TENSORS = 32
"""That it holds, as many as a small network has large layers."""
PAGE = 4096
REPEATS = 3
BLOCK = 2**20
"""Of one read."""


def transfer_of(device: torch.device) -> Transfer | None:
    """The rates of a device; None where no file can be written, so that nothing can be read."""
    with suppress(OSError), tempfile.TemporaryDirectory(dir=_folder()) as folder:
        file = Path(folder) / "weights.safetensors"
        drawn = torch.randint(0, 256, (TENSORS, BYTES // TENSORS), dtype=torch.uint8)
        save_file({str(i): x for i, x in enumerate(drawn)}, file)
        mapped = _rate(lambda: _bring(file, device))
        return Transfer(mapped, _pinned(device), _disk(file), _memory_bytes(device))
    return None


def _folder() -> Path:
    folder = cache_folder("machines")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _rate(work: Callable[[], object]) -> float:
    """The best of a few runs after a first one."""
    work()
    return BYTES / min(_timed(work) for _ in range(REPEATS))


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _bring(file: Path, device: torch.device) -> None:
    """Map the file, and have every page on the device: by a copy, or touched where they lie; then let go."""
    with safe_open(file, "pt") as weights:
        for name in weights.keys():  # noqa: SIM118 - it is no mapping
            x = weights.get_tensor(name)
            if apart(device):
                x.to(device)
            else:
                x[::PAGE].sum()
    synchronize(device)


def _pinned(device: torch.device) -> float | None:
    here = page_locked(BYTES) if has_own_memory(device) else None
    if here is None:
        return None
    there = torch.empty_like(here, device=device)

    def copy() -> None:
        there.copy_(here, non_blocking=True)
        synchronize(device)

    return _rate(copy)


def _disk(file: Path) -> float | None:
    """From the disk itself: only where the system can be asked to forget a file, and then says that it has."""
    if not hasattr(os, "posix_fadvise") or not hasattr(os, "RWF_NOWAIT"):
        return None
    opened = os.open(file, os.O_RDONLY)
    try:
        os.fsync(opened)
        if not (_forgotten(opened, BYTES // 2) and _forgotten(opened, BYTES - BLOCK)):
            return None
        os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
        block = bytearray(BLOCK)
        return BYTES / _timed(lambda: [os.preadv(opened, [block], at) for at in range(0, BYTES, BLOCK)])
    except OSError:
        return None
    finally:
        os.close(opened)


def _forgotten(opened: int, at: int) -> bool:
    """Whether a page of the file is in no cache once the system was asked to let go: to read it would be to wait."""
    os.posix_fadvise(opened, 0, 0, os.POSIX_FADV_DONTNEED)
    try:
        os.preadv(opened, [bytearray(PAGE)], at, os.RWF_NOWAIT)
    except BlockingIOError:
        return True
    return False


def _memory_bytes(device: torch.device) -> float | None:
    if (found := total_bytes(device)) is not None:
        return float(found)
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return None
