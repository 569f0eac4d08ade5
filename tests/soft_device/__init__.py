"""A torch device in software: what a run does wrong on a GPU goes wrong on it as well, on a machine without one.

Its memory is the machine's, and its operators are the CPU's, so that results equal the CPU's. All else is a device's:

- tensors of the CPU, or of the other of the two devices, cannot be mixed with its own, nor generators;
- memory is limited (`torch.soft.set_total_memory`): beyond it `torch.OutOfMemoryError` is raised; what is given out,
  and its peak, are counted as a GPU's allocator counts;
- memory that was not written yet, or was given back, is NaN (-1 in integers);
- copies with `non_blocking=True` on a stream of their own, and all such copies to the host, are put off until somebody
  waits for that stream, for an event recorded after them, or for the device; what they write is NaN until then. So a
  wait that was forgotten shows each time, not only when the machine is slow;
- a copy whose memory on the device is freed while it is on its way is an error, unless the memory was taken from the
  same stream, or the stream was recorded (`Tensor.record_stream`);
- with `torch.soft.show(True, float64=False)` it has no float64, as Apple's devices have none.

What it does not show: races among computations on several streams (each is carried out at once, after what was put off
on its own stream), memory lost to fragments, and time.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # tests that use no device need not wait for torch
    import torch

    from soft_device.module import Soft


@pytest.fixture(scope="session")
def soft_device_known() -> Soft:
    """The device, compiled and made known to torch; hidden until a test asks for it."""
    from soft_device import compiled

    if lacks := compiled.missing():
        pytest.skip(lacks)
    return load()


@pytest.fixture
def soft_device(soft_device_known: Soft) -> Iterator[Soft]:
    """`torch.soft`, with devices `soft:0` and `soft:1` of 1 GiB each, on which a test leaves nothing."""
    soft = soft_device_known
    soft.begin()
    try:
        yield soft
    finally:
        _forget_tables()
        gc.collect()
        left = soft.left()
        soft.end()
    assert not left, left


@pytest.fixture(params=["soft", pytest.param("gpu", marks=pytest.mark.gpu)])
def accelerator(request: pytest.FixtureRequest) -> torch.device:
    """The device in software; and with `-m gpu` this machine's own."""
    import torch

    if request.param == "soft":
        request.getfixturevalue("soft_device")
    return torch.device(f"{torch.accelerator.current_accelerator()}:0")


def _forget_tables() -> None:
    """Have the room of signals forget the small tables that it keeps for each device."""
    for name in [name for name in sys.modules if name.startswith("dynaxx.signal.")]:
        for kept in vars(sys.modules[name]).values():
            if hasattr(kept, "cache_clear"):
                kept.cache_clear()


def load() -> Soft:
    """Make the device known to torch; once in a process."""
    import torch

    from soft_device.compiled import compiled
    from soft_device.module import NAME, Soft

    torch.utils.rename_privateuse1_backend(NAME)
    soft = Soft(compiled())
    torch._register_device_module(NAME, soft)
    soft.show(False)
    return soft
