"""Whatever ends the trials of levers leaves networks as they were, or as all that were kept make them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from changed_networks import CALL, CLOCK, Slow, changing, nothing, tried
from torch import nn

from dynaxx.stage.levers import choose as chosen
from dynaxx.stage.levers import timed as clocked
from dynaxx.stage.levers.lever import Lever, Undo, around
from dynaxx.stage.levers.table import LEVERS
from dynaxx.stage.pipeline.tried import Tried


def interrupted(network: Any) -> Undo:
    network.weight.data = network.weight.data.half()
    raise KeyboardInterrupt


def slow_answer(network: Any) -> Undo:
    """Pulled, and then interrupted in the network's call."""
    before = network.pause, network.shift

    def answer(answering: Any) -> Any:
        def leave(*args: Any, **named: Any) -> Any:
            raise KeyboardInterrupt

        return leave

    network.pause, back = 1.0, around(network, answer)

    def undo() -> None:
        network.pause, network.shift = before
        back()

    return undo


@pytest.mark.parametrize("pull", [interrupted, slow_answer])
def test_trials_that_are_interrupted_leave_the_network_as_it_was(monkeypatch: pytest.MonkeyPatch, pull: Any) -> None:
    network = Slow()
    with pytest.raises(KeyboardInterrupt):
        tried(monkeypatch, network, quick=Lever(changing(4.0)), more=Lever(changing(2.0, 1e-4)), late=Lever(pull))
    assert (network.pause, network.shift, network.weight.dtype) == (8.0, 0.0, torch.float32)
    assert network._compiled_call_impl is None


def test_a_second_expert_that_fails_has_nothing_pulled_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, pulls, short = Slow(), Slow(), list[nn.Module](), [True]

    def scarce(network: Any) -> Undo:
        pulls.append(network)
        network.weight.data = network.weight.data.half()
        if network is second and short.pop():
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.")
        return nothing(network)

    monkeypatch.setitem(LEVERS, "quick", Lever(changing(2.0)))
    monkeypatch.setitem(LEVERS, "scarce", Lever(scarce))
    monkeypatch.setattr(clocked, "time", CLOCK)
    monkeypatch.setattr(chosen, "FASTER", 1.0)
    levers, pipe = Tried(), SimpleNamespace(transformer=first, transformer_2=second)

    def pull() -> bool:
        return levers.pull(pipe, lambda: first(*CALL.args, **CALL.named), ("quick", "scarce"), moves=False)

    with pytest.raises(torch.OutOfMemoryError):
        pull()
    assert (second.pause, second.weight.dtype) == (8.0, torch.float32), "all or none"
    short.append(False)
    assert pull()
    assert pulls == [first, second, second]
    assert (first.pause, second.pause) == (2.0, 2.0)
    assert not pull(), "they are"
