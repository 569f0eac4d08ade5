"""The master copy of weights: copies are exact, nothing comes back from them, tied weights stay tied."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dynaxx.stage import pinned
from dynaxx.stage.pinned import Pinned
from soft_device.module import Soft

CPU = torch.device("cpu")


class Tied(nn.Module):
    """Two layers with one weight, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("steps", torch.arange(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


def check_round_trip(device: torch.device) -> None:
    module, x = Tied(), torch.randn(2, 4)
    before, answer = {name: t.clone() for name, t in module.state_dict().items()}, module(x)
    master = Pinned([module, module.first])
    assert master.weights_bytes == 4 * (16 + 4) + 8 * 3, "each once"
    places = [t.data_ptr() for t in module.state_dict().values()]

    master.begin(device)
    assert [t.data_ptr() for t in module.state_dict().values()] == places, "it works on until the copy is there"
    master.finish(device)
    assert module.second.weight is module.first.weight
    assert {t.device.type for t in module.state_dict().values()} == {device.type}
    assert torch.allclose(module(x.to(device)).cpu(), answer, atol=1e-5)
    held = module.first.weight.data_ptr()
    master.begin(device)
    master.finish(device)
    assert module.first.weight.data_ptr() == held, "what is there is not copied again"

    with torch.no_grad():
        module.first.weight.add_(1)
    master.drop()
    assert [t.data_ptr() for t in module.state_dict().values()] == places
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items()), "nothing is copied back"
    master.begin(device)
    master.drop()  # before it was needed
    master.finish(device)
    assert torch.allclose(module(x.to(device)).cpu(), answer, atol=1e-5)


def test_a_copy_is_used_and_let_go_of() -> None:
    check_round_trip(CPU)


def test_a_copy_that_is_on_its_way_elsewhere_is_let_go_of() -> None:
    module = Tied()
    master = Pinned([module])
    master.begin(torch.device("meta"))
    assert master.towards == torch.device("meta")
    master.finish(CPU)
    assert {t.device for t in module.state_dict().values()} == {CPU}
    assert (master.on, master.towards) == (CPU, None)


def test_the_master_takes_up_a_layout_and_keeps_its_numbers() -> None:
    module = nn.Conv2d(3, 4, 3)
    before = module.weight.detach().clone()
    master = Pinned([module])
    master.finish(CPU)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    master.lay_out()
    for _ in range(2):
        assert module.weight.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(module.weight, before)
        master.drop()
        assert module.weight.is_contiguous(memory_format=torch.channels_last)
        master.finish(CPU)


def test_a_copy_on_a_gpu_is_used_and_let_go_of(accelerator: torch.device) -> None:
    check_round_trip(accelerator)


def test_on_a_gpu_the_master_is_locked_and_the_copy_is_given_back(accelerator: torch.device) -> None:
    module = nn.Linear(2048, 2048)
    master = Pinned([module])
    assert module.weight.is_pinned()
    free = torch.accelerator.memory_allocated(accelerator)
    master.finish(accelerator)
    assert torch.accelerator.memory_allocated(accelerator) - free >= master.weights_bytes
    master.drop()
    assert torch.accelerator.memory_allocated(accelerator) == free


def test_a_copy_is_waited_for_once_it_is_used_and_not_before(soft_device: Soft) -> None:
    module, device = nn.Linear(64, 64), torch.device("soft", 0)
    master, waited = Pinned([module]), soft_device.waits()
    master.begin(device)
    x = torch.ones(2, 64, device=device)
    assert (x @ x.mT).isfinite().all()
    waited += 1  # for this answer
    assert master._coming is not None
    coming = master._coming.tensors()
    assert all(x.isnan().all() for x in coming), "what is computed meanwhile waits for no copy"
    waited += len(coming)
    master.finish(device)
    assert soft_device.waits() == waited, "the device waits for the copy, the machine does not"
    due = nn.functional.linear(torch.ones(2, 64), *(one.cpu() for one in module.parameters()))
    assert torch.allclose(module(x).cpu(), due, atol=1e-5)


@pytest.mark.gpu
def test_on_a_gpu_work_goes_on_while_weights_come() -> None:
    device, module = torch.device("cuda"), nn.Linear(8192, 8192)
    master, x = Pinned([module]), torch.randn(4096, 4096, device=device)
    for _ in range(3):  # warm
        x @ x
    torch.cuda.synchronize()

    def took(*, copies: bool) -> float:
        began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        began.record()
        if copies:
            master.begin(device)
        for _ in range(50):
            x @ x
        ended.record()
        torch.cuda.synchronize()
        return float(began.elapsed_time(ended))

    alone = took(copies=False)
    assert took(copies=True) < 1.3 * alone
    master.finish(device)
    assert module.weight.device.type == "cuda"


def test_a_copy_that_was_broken_off_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Tied()
    before = {name: x.clone() for name, x in module.state_dict().items()}
    master = Pinned([module])

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pinned, "_copy", interrupt)
        with pytest.raises(KeyboardInterrupt):
            master.begin(CPU)
    assert master.towards is None
    master.finish(CPU)
    assert all(torch.equal(x, before[name]) for name, x in module.state_dict().items())
