"""Weights with their channels last in memory."""

from __future__ import annotations

import torch
from torch import nn

from dynaxx.stage.levers.lever import Undo, as_held


def channels_last(network: nn.Module) -> Undo:
    """Lay weights of four axes out with their channels last, as kernels of convolutions like them."""
    undo = as_held(network)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return undo
