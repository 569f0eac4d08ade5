"""Whether a run fits this machine's memory, asked before it starts; and the one message where it did not after all."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch

from dynaxx.errors import RunError, UsageError
from dynaxx.signal import device_memory
from dynaxx.spec.graph import Node
from dynaxx.stage.memory import ran_out

GIB = 2**30
BYTES = 4
"""Of one number: the state is float32."""
BYTES_PER_SAMPLE = 200
"""Of a sample's id, prompt and file name."""
MOST_IDS = 2**32
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
MEMORY = Path("/proc/meminfo")


def afford(
    chosen: Sequence[Node],
    total: int,
    *,
    batch_size: int,
    keep: Collection[str] = (),
    decode: Collection[str] = (),
    device: torch.device | None = None,
    released: bool = True,
) -> None:
    """See that `total` samples through the `chosen` nodes have ids, and room in memory.

    Raises:
        UsageError: if there are more samples than ids.
        RunError: if even the signals, without networks and workings, need more than is free.
    """
    if total > MOST_IDS:
        raise UsageError("num", f"{total} samples are more than there are ids ({MOST_IDS}).", "Ask for fewer (--num).")
    need = need_bytes(chosen, total, batch_size=batch_size, keep=keep, decode=decode, released=released)
    free = free_bytes(device or torch.device("cpu"))
    if free is not None and need > free:
        largest = max(chosen, key=lambda node: node.grid.sites)
        problem = (
            f"{total} samples of up to {largest.grid} need {need / GIB:.3g} GiB, but {free / GIB:.3g} GiB are free."
        )
        raise RunError("memory", problem, "Ask for fewer samples (--num) or a smaller size (--size).")


def need_bytes(
    chosen: Sequence[Node],
    total: int,
    *,
    batch_size: int,
    keep: Collection[str] = (),
    decode: Collection[str] = (),
    released: bool = True,
) -> int:
    """The least that a run holds at once: a node's answer and what it reads, what is kept, and one batch at work.

    Where nothing is `released` before the end, all answers are held. A kept node's inputs are kept with it, each on the
    node's own grid; what is decoded is kept beside its latents.
    """
    each = {node.name: node.grid.channels * node.grid.sites for node in chosen}
    kept = sum(each[node.name] * (1 + len(node.inputs)) for node in chosen if node.name in keep)
    shown = [node.decoded for node in chosen if node.name in decode and node.decoded]
    kept += sum(grid.channels * grid.sites for grid in shown)
    groups = [{node.name, *node.parents} for node in chosen] if released else [set(each)]
    held = max(sum(each.get(name, 0) for name in group - set(keep)) for group in groups)
    work = max(each.values()) * min(batch_size, total)
    return BYTES * (total * (kept + held) + work) + BYTES_PER_SAMPLE * total


def free_bytes(device: torch.device) -> int | None:
    """The memory free on a device, the machine's own where it is a CPU; None where nobody says."""
    limits = [device_memory.free_bytes(device)]
    if not device_memory.has_own_memory(device):
        limits += [_free_on_machine(), _limit_of_container()]
    return min((found for found in limits if found is not None), default=None)


@contextmanager
def capped(devices: Iterable[torch.device], cap_bytes: int | None) -> Iterator[None]:
    """Let GPUs' allocators give out no more than the cap each while a run lasts; a CPU's cannot be held to one."""
    with ExitStack() as held:
        for device in set(devices) if cap_bytes is not None else ():
            held.enter_context(device_memory.held_to(device, cap_bytes or 0))
        yield


@contextmanager
def out_of_memory() -> Iterator[None]:
    """Turn every way in which memory runs out into one RunError that names the way out."""
    try:
        yield
    except MemoryError as error:
        raise _ran_out(str(error)) from error
    except RuntimeError as error:
        if not ran_out(error):
            raise
        raise _ran_out(str(error)) from error


def _ran_out(said: str) -> RunError:
    reason = f" ({said.strip().splitlines()[0]})" if said.strip() else ""
    return RunError("memory", f"ran out{reason}.", "Halve --batch (batch_size), or ask for fewer or smaller samples.")


def _free_on_machine() -> int | None:
    """Linux counts the caches that it would give up; elsewhere all memory is the best that is known."""
    try:
        lines = dict(line.split(":", 1) for line in MEMORY.read_text("ascii").splitlines() if ":" in line)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def _limit_of_container() -> int | None:
    try:
        return int(CGROUP_LIMIT.read_text("ascii"))
    except (OSError, ValueError):  # no such file, or "max"
        return None
