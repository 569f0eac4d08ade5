"""A process that samples from a cascade file, and prints by how many bytes it grew above its imports."""

from __future__ import annotations

import sys
from pathlib import Path

import diffusers.hooks.group_offloading  # noqa: F401 - networks import it when they are moved
import torch

from dynaxx import Cascade
from dynaxx.cli.allocator import keep_freed_memory
from dynaxx.engine.runtime import Runtime
from dynaxx.spec.files import load


def status(key: str) -> int:
    """A figure in bytes that Linux keeps of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))


def main(file: str, count: int) -> None:
    """Sample `count` signals at once."""
    keep_freed_memory()  # as commands do
    torch.set_num_threads(1)
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    Cascade.from_spec(load(file), fresh=True, runtime=Runtime(device="cpu", batch_size=count)).sample(num=count)
    print(status("VmHWM") - before)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
