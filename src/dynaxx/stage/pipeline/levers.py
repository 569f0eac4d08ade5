"""What makes a network faster on the machine at hand, tried on a real call of it, and kept only where it does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from dynaxx.stage.memory import ran_out
from dynaxx.stage.pipeline.tensors import each

FASTER = 1.03
"""The least speed, over that without, for which a lever is kept."""
ROUNDS, WARM = 5, 2
AGREES = {torch.float32: 1e-3, torch.float16: 0.05, torch.bfloat16: 0.3}
"""How far answers may differ at most from those without, relative to their size, to be the same up to rounding."""


@final
@dataclass(frozen=True)
class Lever:
    """A change of a network that leaves its answers as they are up to rounding, and where it can be made.

    `moves` says whether it stands it that weights are moved to other places of memory.
    """

    pull: Callable[[nn.Module], Any]
    on: tuple[str, ...] = ("cpu", "cuda")
    moves: bool = True


def graphs(network: nn.Module) -> None:
    """Have a network's calls recorded and replayed."""
    network.compile(mode="reduce-overhead")
    answer_apart(network)


def answer_apart(network: nn.Module) -> None:
    """Have a compiled network answer in memory of its own: a replay writes over what the one before it gave.

    A hook would not do: it is compiled, and recorded, with the rest.
    """
    compiled = network._compiled_call_impl
    assert compiled is not None
    network._compiled_call_impl = lambda *args, **named: each(compiled(*args, **named), Tensor.clone)


LEVERS: dict[str, Lever] = {
    "channels-last": Lever(lambda network: network.to(memory_format=torch.channels_last)),  # type: ignore[call-overload]
    "compile": Lever(lambda network: network.compile()),
    "cuda-graphs": Lever(graphs, on=("cuda",), moves=False),
}
"""By name, in the order in which they are tried; a later one is tried on top of those that were kept."""


@final
@dataclass(frozen=True)
class Call:
    """What a network was called with."""

    args: tuple[Any, ...]
    named: Mapping[str, Any]


class Captured(Exception):
    """A pipeline is left at the first call of its network."""


def captured(network: nn.Module, run: Callable[[], object]) -> Call | None:
    """The first call of a network that `run` makes; `run` is left there. None where it makes none."""
    calls: list[Call] = []

    def leave(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        calls.append(Call(args, named))
        raise Captured

    hook = network.register_forward_pre_hook(leave, with_kwargs=True)
    try:
        run()
    except Captured:
        pass
    finally:
        hook.remove()
    return calls[0] if calls else None


@torch.no_grad()
def choose(network: nn.Module, call: Call, names: tuple[str, ...], *, moves: bool) -> dict[str, float]:
    """Pull the levers `names` that make the network faster; gives the speed of each that was tried, over that before.

    `moves` says whether weights will be moved. What fails, or answers otherwise, is undone, and has speed 0.
    """
    device = next(network.parameters()).device
    before, answer, speeds = *_timed(network, call), dict[str, float]()
    for name in [name for name in LEVERS if name in names]:
        lever = LEVERS[name]
        if device.type not in lever.on or (moves and not lever.moves):
            continue
        called = network._compiled_call_impl
        try:
            lever.pull(network)
            took, other = _timed(network, call)
        except (RuntimeError, NotImplementedError) as error:
            if ran_out(error):
                raise
            took, other = float("inf"), answer
        speeds[name] = before / took if _alike(other, answer) else 0.0
        if speeds[name] >= FASTER:
            before = took
        else:
            network._compiled_call_impl = called
            if name == "channels-last":
                network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    return speeds


def pull(network: nn.Module, speeds: Mapping[str, float]) -> None:
    """Pull again what was found to be faster: the network has been opened anew."""
    for name, speed in speeds.items():
        if speed >= FASTER:
            LEVERS[name].pull(network)


def _timed(network: nn.Module, call: Call) -> tuple[float, Tensor]:
    """The least seconds of a few calls, after some that nobody counts, and the answer."""
    times = list[float]()
    for _ in range(WARM + ROUNDS):
        _wait(network)
        began = time.perf_counter()
        found = network(*call.args, **call.named)
        _wait(network)
        times.append(time.perf_counter() - began)
    answer = found[0] if isinstance(found, tuple) else found.sample
    assert isinstance(answer, Tensor)
    return min(times[WARM:]), answer.clone()


def _alike(x: Tensor, y: Tensor) -> bool:
    size = float(y.float().square().mean().sqrt())
    return float((x.float() - y.float()).abs().max()) <= AGREES.get(y.dtype, 1e-3) * max(size, 1e-6)


def _wait(network: nn.Module) -> None:
    device = next(network.parameters()).device
    if device.type == "cuda":
        torch.cuda.synchronize(device)
