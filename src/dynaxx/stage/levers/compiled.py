"""Networks compiled, and their calls recorded and replayed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dynaxx.stage.levers.lever import Answering, Undo, around
from dynaxx.stage.tensors import each


def compiled(network: nn.Module) -> Undo:
    """Have a network compiled, with what other levers made of its calls."""
    return around(network, torch.compile)


def graphs(network: nn.Module) -> Undo:
    """Have a network's calls recorded and replayed."""
    return around(network, lambda answering: answer_apart(torch.compile(answering, mode="reduce-overhead")))


def answer_apart(replayed: Answering) -> Answering:
    """Calls that answer in memory of their own: a replay writes over what the one before it gave."""
    return lambda *args, **named: each(replayed(*args, **named), Tensor.clone)
