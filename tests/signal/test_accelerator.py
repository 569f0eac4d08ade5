"""What an accelerator says of itself and does, on the one in software: nothing is known of its maker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.noise.table import Table
from dynaxx.signal.bands import band_masks, band_split
from dynaxx.signal.device import (
    accelerator,
    accelerators,
    apart,
    aside,
    device_of,
    double,
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
    wait_for,
    working_on,
)
from dynaxx.signal.device_memory import (
    free_bytes,
    has_own_memory,
    held_bytes,
    held_to,
    page_locked,
    peak_bytes,
    reset_peak,
    shares_memory,
    total_bytes,
)
from dynaxx.signal.random import Draws
from soft_device.module import GIB, Soft

MIB = 2**20


@pytest.fixture
def first(soft_device: Soft) -> torch.device:
    return torch.device("soft:0")


@pytest.fixture
def narrow(soft_device: Soft) -> Iterator[torch.device]:
    """The device without float64."""
    soft_device.show(True, float64=False)
    yield torch.device("soft:0")
    soft_device.show(True)


def test_it_is_found_with_all_its_numbers(soft_device: Soft) -> None:
    assert (accelerator(), accelerators()) == ("soft", ("soft:0", "soft:1"))
    assert kinds()[-1] == "soft"
    for name, due in (("soft", "soft:0"), ("soft:0", "soft:0"), ("soft:1", "soft:1"), ("cuda", "cuda"), ("cpu", "cpu")):
        assert str(device_of(name)) == str(numbered(torch.device(name))) == due
    assert torch.ones(1, device="soft").device == usable("soft")
    with pytest.raises(UsageError, match=r"'soft:7' cannot be used .* this machine has cpu, soft:0, soft:1\."):
        usable("soft:7")
    soft_device.show(False)
    assert (accelerator(), accelerators(), str(device_of("soft"))) == (None, (), "soft")
    soft_device.show(True)


def test_it_tells_what_it_can(first: torch.device) -> None:
    assert all(says(first) for says in (apart, has_own_memory, has_float64, has_streams))
    assert not shares_memory(first)
    assert isinstance(has_bfloat16(first), bool)
    assert name_of(first) == "soft device 0"


def test_memory_is_counted_by_the_device(first: torch.device) -> None:
    held, second = held_bytes(first), torch.device("soft:1")
    assert (total_bytes(first), held) == (GIB, 0)
    x = torch.empty(MIB, device=first)
    y = torch.empty(2 * MIB, device=first)
    del y
    assert held_bytes(first) == 4 * MIB
    assert free_bytes(first) is not None
    assert peak_bytes(first) == 12 * MIB
    assert (held_bytes(second), peak_bytes(second)) == (0, 0)
    reset_peak(first)
    assert peak_bytes(first) == 4 * MIB
    del x


def test_a_cap_holds_for_as_long_as_it_is_wanted(first: torch.device) -> None:
    with held_to(first, 8 * MIB):
        torch.empty(MIB, device=first)
        torch.empty(64 * MIB, device="soft:1")
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(3 * MIB, device=first)
    torch.empty(64 * MIB, device=first)
    with pytest.raises(RuntimeError, match="stop"), held_to(first, MIB):
        raise RuntimeError("stop")
    torch.empty(64 * MIB, device=first)
    with held_to(first, 4 * GIB):
        torch.empty(64 * MIB, device=first)


def locked() -> Tensor:
    """Four numbers in page-locked memory."""
    found = page_locked(16)
    assert found is not None
    return found.view(torch.float32).copy_(torch.arange(4.0))


def test_a_copy_aside_is_there_once_it_was_waited_for(soft_device: Soft, first: torch.device) -> None:
    source, target = locked(), torch.empty(4, device=first)
    assert source.is_pinned()
    event = aside(first, lambda: target.copy_(source, non_blocking=True))
    synchronize_computed(first)
    assert target.isnan().all(), "who waits for what is computed does not wait for what is copied aside"
    waits = soft_device.waits()
    wait_for(first, event)
    later = target + 1
    assert soft_device.waits() == waits, "the device waits, and not the machine"
    assert later.tolist() == [1, 2, 3, 4]


def test_all_is_waited_for(soft_device: Soft, first: torch.device) -> None:
    source, target = locked(), torch.empty(4, device=first)
    aside(first, lambda: target.copy_(source, non_blocking=True))
    synchronize(first)
    assert target.tolist() == [0, 1, 2, 3]


def test_a_thread_works_on_the_device_that_it_is_given(soft_device: Soft) -> None:
    second = torch.device("soft:1")
    with working_on(second):
        assert torch.ones(1, device="soft").device == numbered(torch.device("soft")) == second
    assert torch.ones(1, device="soft").device == torch.device("soft:0")


def test_its_draws_are_given_back(first: torch.device) -> None:
    torch.manual_seed(7)
    due = [torch.rand(3), torch.rand(3, device=first).cpu()]
    torch.manual_seed(7)
    with same_draws_after(first):
        torch.manual_seed(1)
        torch.rand(5, device=first)
    assert [x.tolist() for x in (torch.rand(3), torch.rand(3, device=first).cpu())] == [x.tolist() for x in due]


def test_what_needs_float64_is_computed_on_the_cpu_where_a_device_has_none(narrow: torch.device) -> None:
    assert not has_float64(narrow)
    with pytest.raises((TypeError, RuntimeError), match="float64"):
        torch.ones(1, device=narrow).double()
    x = torch.linspace(0.0, 1.0, 5)
    assert torch.equal(double(x.to(narrow)), x.double())
    draws = Draws(3, "here", (0, 7))
    for draw in (draws.normal, draws.uniform, draws.bits):
        found = draw("eps", (2, 5), device=narrow)
        assert found.device == narrow
        assert torch.equal(found.cpu(), draw("eps", (2, 5)))
    table = Table.of_betas(100, 1e-4, 0.02, roots=False)
    for here, due in zip(table.ratio(x.to(narrow)), table.ratio(x), strict=True):
        assert here.device == narrow
        assert torch.equal(here.cpu(), due)
    signal = torch.randn(2, 3, 8, 8)
    assert torch.equal(band_masks((8, 8), (0.3, 0.6), device=narrow).cpu(), band_masks((8, 8), (0.3, 0.6)))
    parts = band_split(signal.to(narrow), (0.3, 0.6))
    assert parts.device == narrow
    assert torch.allclose(parts.cpu(), band_split(signal, (0.3, 0.6)), atol=1e-6)
