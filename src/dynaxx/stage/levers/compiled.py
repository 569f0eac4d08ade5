"""Networks compiled, and their calls recorded and replayed."""

from __future__ import annotations

from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from dynaxx.stage.levers.lever import Answering, Undo, around
from dynaxx.stage.tensors import each


def compiled(network: nn.Module) -> Undo:
    """Have a network compiled, with what other levers made of its calls."""
    return around(network, lambda answering: torch.compile(apart(answering)))


def graphs(network: nn.Module) -> Undo:
    """Have a network's calls recorded and replayed."""
    return around(network, lambda answering: answer_apart(torch.compile(apart(answering), mode="reduce-overhead")))


def apart(answering: Answering) -> Answering:
    """The same with code of its own.

    Torch compiles a piece of code at most eight times (`torch._dynamo.config.recompile_limit`), and runs it uncompiled
    after that. What other levers wrapped calls in is one piece for all networks, each of which is compiled anew.
    """

    def answer(*args: Any, **named: Any) -> Any:
        return answering(*args, **named)

    code = answer.__code__.replace()  # a copy, which is counted by itself
    return FunctionType(code, answer.__globals__, answer.__name__, None, answer.__closure__)


def answer_apart(replayed: Answering) -> Answering:
    """Calls that answer in memory of their own: a replay writes over what the one before it gave."""
    return lambda *args, **named: each(replayed(*args, **named), Tensor.clone)
