"""The device itself: its memory, its copies, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from soft_device.module import GIB, Soft

MIB = 2**20


LEARNS = """
import sys; sys.path.insert(0, sys.argv[1])
import torch
from torch import nn
from soft_device import load

load().begin()
torch.manual_seed(0)
network, x = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.SiLU()), torch.randn(2, 3, 8, 8)

def answers(device):
    network.zero_grad()
    found = network.to(device)(x.to(device))
    found.square().sum().backward()
    return [found, *(p.grad for p in network.parameters())]

due = [one.clone() for one in answers("cpu")]
found = answers("soft:1")
assert {one.device for one in found} == {torch.device("soft:1")}
torch.testing.assert_close([one.cpu() for one in found], due)
"""


def test_networks_learn_in_a_process_of_their_own(soft_device: Soft) -> None:
    """Torch starts a thread for each device at the first gradient of a process, and none for one that comes later."""
    here = str(Path(__file__).parents[1])
    done = subprocess.run([sys.executable, "-c", LEARNS, here], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


CALLS: dict[str, Callable[[Tensor], Tensor]] = {
    "views": lambda x: x.unfold(2, 3, 2).transpose(1, 3)[1:].reshape(-1),
    "in place": lambda x: x.clone().mul_(2).index_fill_(1, torch.tensor([1], device=x.device), 3.0).squeeze_(),
    "an output that grows": lambda x: torch.add(x, 1, out=torch.empty(0, device=x.device)),
    "indices of the CPU": lambda x: x[torch.tensor([1, 0])],
    "a choice": lambda x: x[x > 0],
    "numbers of the CPU": lambda x: x * torch.tensor(2.0),
    "spectrum": lambda x: torch.view_as_real(torch.fft.rfft2(x)),
    "convolution": lambda x: nn.functional.conv2d(x, x.new_ones(4, 3, 3, 3)),
    "norm": lambda x: nn.functional.group_norm(x, 3),
    "attention": lambda x: nn.functional.scaled_dot_product_attention(x, x, x),
    "several": lambda x: torch.cat(torch.split(x, 1)[::-1]),
    "half precision": lambda x: (x.bfloat16() @ x.bfloat16().mT).float(),
    "draws": lambda x: torch.empty_like(x).normal_(generator=torch.Generator(x.device).manual_seed(3)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_what_is_called_gives_what_the_cpu_gives(soft_device: Soft, call: Callable[[Tensor], Tensor]) -> None:
    x = torch.linspace(-1, 1, 2 * 3 * 8 * 8).view(2, 3, 8, 8)
    found = call(x.to("soft"))
    assert found.device.type == "soft"
    torch.testing.assert_close(found.cpu(), call(x))


def test_devices_are_not_mixed(soft_device: Soft) -> None:
    x, there = torch.ones(2), torch.ones(2, device="soft:0")
    for call in (
        lambda: there + x,
        lambda: x + there,
        lambda: torch.ones(2, device="soft:1") + there,
        lambda: nn.functional.embedding(torch.tensor([0]), there.view(1, 2)),
        lambda: torch.cat([there, x]),
    ):
        with pytest.raises(RuntimeError, match="at least two devices"):
            call()
    with pytest.raises(RuntimeError, match="'soft' device type for generator but found 'cpu'"):
        torch.randn(2, device="soft", generator=torch.Generator())
    with pytest.raises(TypeError, match="can't convert soft:0"):
        there.numpy()


def test_memory_is_counted_and_limited(soft_device: Soft) -> None:
    soft_device.set_total_memory(4 * MIB)
    held = torch.empty(MIB, dtype=torch.uint8, device="soft")
    with pytest.raises(torch.OutOfMemoryError, match="Tried to allocate 3146240 bytes"):
        torch.empty(3 * MIB + 1, dtype=torch.uint8, device="soft")
    torch.empty(3 * MIB, dtype=torch.uint8, device="soft")
    assert (soft_device.memory_allocated(), soft_device.max_memory_allocated()) == (MIB, 4 * MIB)
    assert soft_device.mem_get_info() == (3 * MIB, 4 * MIB)
    assert soft_device.memory_reserved() == 4 * MIB
    soft_device.empty_cache()
    soft_device.reset_peak_memory_stats()
    assert (soft_device.memory_reserved(), soft_device.max_memory_allocated()) == (MIB, MIB)
    soft_device.set_per_process_memory_fraction(0.25)
    with pytest.raises(torch.OutOfMemoryError):
        held.clone()
    assert torch.empty(2 * MIB, dtype=torch.uint8, device="soft:1").device.index == 1
    assert soft_device.get_device_properties("soft:1").total_memory == GIB


def test_memory_that_was_not_written_is_no_number(soft_device: Soft) -> None:
    for _ in range(2):
        x = torch.empty(1000, device="soft")
        assert x.isnan().all()
        x.fill_(1)
        del x
    assert torch.empty(3, dtype=torch.bfloat16, device="soft").isnan().all()
    assert (torch.empty(3, dtype=torch.int64, device="soft") == -1).all()


def brought(soft: Soft, waits: Callable[[torch.Stream, torch.Event, torch.Event], object]) -> Tensor:
    """What is read after copies on a stream of their own, and whatever wait; events before and after the copy."""
    aside, source = soft.Stream("soft"), torch.ones(4).pin_memory()
    there = torch.zeros(4, device="soft")
    with soft.stream(aside):
        before = aside.record_event()
        there.copy_(source, non_blocking=True)
        after = aside.record_event()
    waits(aside, before, after)
    found = there.clone()
    soft.synchronize()
    assert torch.equal(there.cpu(), source)
    return found.cpu()


def test_copies_come_with_whoever_waits_for_them(soft_device: Soft) -> None:
    now = soft_device.current_stream()
    for enough in (
        lambda aside, before, after: now.wait_event(after),
        lambda aside, before, after: now.wait_stream(aside),
        lambda aside, before, after: aside.synchronize(),
        lambda aside, before, after: after.synchronize(),
        lambda aside, before, after: soft_device.synchronize(),
    ):
        assert torch.equal(brought(soft_device, enough), torch.ones(4))
    for too_little in (
        lambda aside, before, after: None,
        lambda aside, before, after: now.wait_event(before),
        lambda aside, before, after: now.synchronize(),
        lambda aside, before, after: soft_device.Stream("soft").wait_event(after),
    ):
        assert brought(soft_device, too_little).isnan().all()


def test_a_stream_that_waits_for_another_hands_the_wait_on(soft_device: Soft) -> None:
    def relayed(aside: torch.Stream, before: torch.Event, after: torch.Event) -> None:
        third = soft_device.Stream("soft")
        third.wait_event(after)
        soft_device.current_stream().wait_stream(third)

    assert torch.equal(brought(soft_device, relayed), torch.ones(4))


def test_a_copy_to_the_host_is_there_once_it_was_waited_for(soft_device: Soft) -> None:
    x = torch.ones(3, device="soft")
    found = x.to("cpu", non_blocking=True)
    x.zero_()
    assert found.isnan().all()
    soft_device.current_stream().synchronize()
    assert torch.equal(found, torch.ones(3))


def test_memory_freed_under_a_copy_is_named(soft_device: Soft) -> None:
    def freed(*, recorded: bool) -> None:
        aside, there = soft_device.Stream("soft"), torch.empty(4, device="soft")
        if recorded:
            there.record_stream(aside)
        with soft_device.stream(aside):
            there.copy_(torch.ones(4).pin_memory(), non_blocking=True)

    freed(recorded=True)
    soft_device.synchronize()
    freed(recorded=False)
    with pytest.raises(RuntimeError, match="still on its way when the memory that it writes on device 0 was freed"):
        soft_device.synchronize()


def test_waits_of_the_machine_are_counted(soft_device: Soft) -> None:
    x, first = torch.ones(2, 3, device="soft"), torch.tensor([0], device="soft")
    for call, waits in (
        (lambda: x * 2 + x.sum(), 0),
        (lambda: x[first], 0),
        (lambda: x.sum().item(), 1),
        (lambda: x.cpu(), 1),
        (lambda: x.nonzero(), 1),
        (lambda: x[x > 0], 1),
        (lambda: torch.ones(2).to("soft"), 1),
        (lambda: torch.ones(2).pin_memory().to("soft", non_blocking=True), 0),
    ):
        before = soft_device.waits()
        call()
        assert soft_device.waits() - before == waits


def test_a_device_without_float64_refuses_it(soft_device: Soft) -> None:
    soft_device.show(True, float64=False)
    with pytest.raises(TypeError, match="does not have"):
        torch.ones(2, dtype=torch.float64).to("soft")


def test_a_parameter_s_data_goes_there_and_back(soft_device: Soft) -> None:
    weight = nn.Parameter(torch.ones(3))
    weight.data = torch.full((3,), 2.0, device="soft")
    assert (weight * 2).sum().item() == 12
    weight.data = torch.ones(3)
    assert weight.device.type == "cpu"


def test_seeds_are_each_device_s_own(soft_device: Soft) -> None:
    torch.manual_seed(5)
    first = [torch.randn(3, device=f"soft:{i}").cpu() for i in range(2)]
    with torch.random.fork_rng(devices=[0, 1], device_type="soft"):
        torch.randn(3, device="soft")
    assert torch.equal(*first)
    assert not torch.equal(torch.randn(3, device="soft").cpu(), first[0])


def test_it_is_hidden_from_those_who_did_not_ask(soft_device: Soft) -> None:
    assert (torch.accelerator.is_available(), torch.accelerator.device_count()) == (True, 2)
    soft_device.show(False)
    assert (torch.accelerator.is_available(), torch.accelerator.device_count()) == (False, 0)
    with pytest.raises(RuntimeError, match="No device of type soft"):
        torch.empty(0, device="soft")
