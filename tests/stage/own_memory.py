"""A second CPU device that streams as a GPU does: diffusers' own groups, order and reading ahead, without a GPU."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from diffusers.hooks import group_offloading
from torch import Tensor, nn

from dynaxx.stage.streaming import groups_of

ASIDE = torch.device("cpu:1")
"""What is moved here is copied, and counts; the masters that it is copied from lie elsewhere."""


class Stream:
    """Copies are made at once."""

    def synchronize(self) -> None:
        """There is nothing to wait for."""


class Backend:
    """What diffusers asks of a device's backend."""

    def __init__(self, device: torch.device) -> None:
        self.stream = lambda stream: nullcontext()
        self.current_stream = Stream


def stream_aside(network: nn.Module, device: torch.device = ASIDE) -> None:
    """As `stream_blocks` does for a GPU."""
    group_offloading._apply_group_offloading(
        network,
        group_offloading.GroupOffloadingConfig(
            onload_device=ASIDE, offload_device=torch.device("cpu"), stream=Stream(), num_blocks_per_group=1,
            offload_type=group_offloading.GroupOffloadingType.BLOCK_LEVEL, non_blocking=False, record_stream=False,
            low_cpu_mem_usage=False, block_modules=getattr(network, "_group_offload_block_modules", None),
        ),
    )  # fmt: skip
    for group in groups_of(network):
        if group.stream is None:  # a GPU copies it back; on this CPU it would stay where it is, and needs a master
            group.stream = Stream()
            group.cpu_param_dict = group._init_cpu_param_dict()
        group.offload_device = torch.device("meta")  # else a copy on this CPU passes for one that has not come


def give_memory_of_its_own(patch: pytest.MonkeyPatch) -> None:
    """Have stages stream to a CPU as to a GPU."""

    def same(x: Any, *args: Any, **more: Any) -> Any:
        return x

    every: dict[str, Any] = {"diffusers.hooks.group_offloading.TorchDeviceBackend": Backend}
    every |= {f"dynaxx.stage.{name}.stream_blocks": stream_aside for name in ("mapped", "pipeline.held")}
    every |= {f"dynaxx.stage.{name}.on_its_own": lambda device: True for name in ("mapped",)}
    for place, stands_in in every.items():
        patch.setattr(place, stands_in)
    patch.setattr(Tensor, "pin_memory", same)
    patch.setattr("diffusers.hooks.group_offloading.send_to_device", same)  # signals are on a GPU already
