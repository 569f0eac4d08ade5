"""Where a network lies: its device, and the memory layout in which it is trained fastest there."""

from __future__ import annotations

import sys
from math import prod

import torch
from torch import nn

CHANNELS_LAST_SITES = 32 * 32
"""Up to here channels-last is faster on CPUs, by 4 to 15%; at 64 x 64 it is slower by as much. A rule, not a probe:
the layout changes the last bits, and a training must go on with the bits that it began with."""


def lay_out(
    network: nn.Module, size: tuple[int, ...], device: torch.device, *, as_on: torch.device | None = None
) -> None:
    """Move a network to `device`, in the layout that suits a grid of this size there (or `as_on` another device)."""
    bring(network, device)
    if (as_on or device).type == "cpu" and len(size) == 2 and prod(size) <= CHANNELS_LAST_SITES:
        nn.Module.to(network, memory_format=torch.channels_last)  # type: ignore[call-overload]


def bring(network: nn.Module, device: torch.device) -> None:
    """Move a network's weights to `device`; one whose blocks come there by themselves is left as it is.

    Models of diffusers ask whether they are such by importing all hooks, and so peft and scipy: a second, and 60 MB.
    Where nobody has imported those yet, no blocks come by themselves.
    """
    of_diffusers = hasattr(network, "_supports_group_offloading")
    nn.Module.to(network, device) if of_diffusers and "diffusers.hooks" not in sys.modules else network.to(device)
