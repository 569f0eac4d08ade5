"""The first call of a network that a pipeline makes, taken down to be made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

from torch import nn


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
