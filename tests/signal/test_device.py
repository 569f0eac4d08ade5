"""What a device says of itself and does: a host has nothing of an accelerator, and what is not offered is None."""

from __future__ import annotations

import pytest
import torch

from dynaxx.errors import UsageError
from dynaxx.signal import device_memory
from dynaxx.signal.device import (
    MAKES,
    accelerator,
    accelerators,
    apart,
    aside,
    device_of,
    double,
    double_on,
    has_bfloat16,
    has_float64,
    has_streams,
    kinds,
    name_of,
    numbered,
    same_draws_after,
    synchronize,
    synchronize_computed,
    usable,
    working_on,
)

CPU, META = torch.device("cpu"), torch.device("meta")
HOSTS = pytest.mark.parametrize("device", [CPU, META, torch.device("cpu:3")], ids=str)


@HOSTS
def test_a_host_offers_nothing_of_an_accelerator(device: torch.device) -> None:
    assert not apart(device)
    asked = ("total_bytes", "free_bytes", "held_bytes", "peak_bytes", "reset_peak")
    assert {name: getattr(device_memory, name)(device) for name in asked} == dict.fromkeys(asked)
    assert not device_memory.has_own_memory(device)
    assert not device_memory.shares_memory(device)
    assert (name_of(device), has_streams(device), has_bfloat16(device), has_float64(device)) == (
        None,
        False,
        False,
        True,
    )
    synchronize(device)
    synchronize_computed(device)
    with working_on(device), device_memory.held_to(device, 1):
        assert torch.ones(2**20).sum() == 2**20, "a CPU cannot be held to a cap"


def test_a_host_has_double_precision() -> None:
    for device in (CPU, META):
        assert double_on(device) == device
        assert double(torch.ones(2, device=device)).dtype == torch.float64


@HOSTS
def test_work_aside_is_done_at_once_where_there_is_no_stream(device: torch.device) -> None:
    done: list[int] = []
    assert aside(device, lambda: done.append(1)) is None
    assert done == [1]


def test_devices_have_one_name_each() -> None:
    for name in ("cpu", "cpu:1", "meta"):
        assert (str(device_of(name)), numbered(torch.device(name))) == (name, torch.device(name))
    assert device_of("cuda:7") == torch.device("cuda:7"), "a name says nothing of what is here"
    for name in {*MAKES} - {accelerator()}:
        assert str(device_of(name)) == name, "what is not here has no number of its own"
    assert set(kinds()) >= {"cpu", *MAKES}
    assert all(usable(name) == torch.device(name) for name in accelerators())


@pytest.mark.parametrize("name", ["cpu:x", "gpu", "", "cuda:-1", "cuda:0:0", "h100-sxm"])
def test_what_is_no_device_is_refused_with_the_way_out(name: str) -> None:
    for read in (device_of, usable):
        with pytest.raises(UsageError, match=r"is no device\. Name another, or none: this machine has cpu"):
            read(name)


@pytest.mark.parametrize("name", sorted({*MAKES, "hpu", "vulkan", "mtia"} - {accelerator()}))
def test_what_is_not_here_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name!r} cannot be used \(.+\)\. Name another, or none"):
        usable(name)


def test_draws_are_given_back() -> None:
    torch.manual_seed(7)
    due = torch.rand(3)
    torch.manual_seed(7)
    with same_draws_after(CPU):
        torch.manual_seed(1)
        torch.rand(5)
    assert torch.equal(torch.rand(3), due)


@pytest.mark.skipif(accelerator() is not None, reason="there is an accelerator to copy to")
def test_memory_is_locked_for_an_accelerator_alone() -> None:
    assert device_memory.page_locked(3) is None
