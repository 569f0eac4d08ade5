"""Which kernel attends, and whether queries, keys and values come of one product or of three."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from dynaxx.stage.levers.lever import Answering, Undo, around

USUAL = (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)
"""What is fallen back to, in this order, where a kernel does not take a call: one with a mask, or of an odd width."""
FUSED = ("to_qkv", "to_kv", "to_added_qkv")
"""What diffusers calls products that are fused."""


def attending(first: SDPBackend) -> Callable[[nn.Module], Undo]:
    """What has torch attend by `first` while a network works, where that takes the call; plain products take each."""
    order = [first, *(other for other in USUAL if SDPBackend.MATH != first != other)]

    def under(answering: Answering) -> Answering:
        def answer(*args: Any, **named: Any) -> Any:
            with sdpa_kernel(order, set_priority=True):
                return answering(*args, **named)

        return answer

    return lambda network: around(network, under)


def can_fuse(network: nn.Module) -> bool:
    """Whether diffusers can fuse a network's projections."""
    processors = getattr(network, "attn_processors", {}).values()
    added = any("Added" in type(processor).__name__ for processor in processors)
    return hasattr(network, "fuse_qkv_projections") and bool(processors) and not added


def fused(network: Any) -> Undo:
    """One product where there were two or three with one factor; their weights lie beside those they are made of."""
    network.fuse_qkv_projections()

    def undo() -> None:
        network.unfuse_qkv_projections()
        for module in network.modules():
            for name in FUSED:
                if hasattr(module, name):
                    delattr(module, name)
            if hasattr(module, "fused_projections"):
                module.fused_projections = False

    return undo
