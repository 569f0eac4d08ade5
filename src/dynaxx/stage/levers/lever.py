"""A change of a network that leaves its answers as they are, but for rounding, and the way back from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

from torch import nn

Answering = Callable[..., Any]
"""What a network's call comes to."""
Undo = Callable[[], None]


@final
@dataclass(frozen=True)
class Lever:
    """How a network is changed, where it can be, and how far its answers may then differ.

    Args:
        pull: changes the network, and gives what takes the change back.
        on: the types of devices that have it; all have it where none is named.
        fits: whether a network can be changed like this.
        moves: whether it stands it that weights are moved to other places of memory.
        alone: why it does not go with several devices at work at once, a thread each; empty where it does.
        slow_start: whether a first call takes long for a good reason.
        group: of levers with the same, one is kept; they stand side by side in the table.
        within: how far answers may differ, relative to their size, beyond what rounding does anyway.
    """

    pull: Callable[[nn.Module], Undo]
    on: tuple[str, ...] = ()
    fits: Callable[[nn.Module], bool] = lambda network: True
    moves: bool = True
    alone: str = ""
    slow_start: bool = False
    group: str = ""
    within: float = 0.0


def around(network: nn.Module, wrap: Callable[[Answering], Answering]) -> Undo:
    """Have a network answer through `wrap` of what answers now.

    No hook would do: a hook is compiled, and recorded, with the rest, and what is compiled already does not see it.
    """
    before = network._compiled_call_impl
    network._compiled_call_impl = wrap(before or network._call_impl)

    def undo() -> None:
        network._compiled_call_impl = before

    return undo


def as_held(network: nn.Module) -> Undo:
    """What has a network hold its weights again as it does now: the same memory, not a copy of it."""
    held = [(place, place.data) for place in (*network.parameters(), *network.buffers())]

    def undo() -> None:
        for place, x in held:
            place.data = x

    return undo
