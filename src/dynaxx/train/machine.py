"""Where a training runs: device, processes, number format."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from dynaxx.errors import UsageError
from dynaxx.signal.device import accelerator, apart, has_bfloat16, usable
from dynaxx.stage.layout import lay_out


@final
@dataclass(frozen=True)
class Machine:
    """A device, and this process among `count`; more than one come from `accelerate launch` or `torchrun`."""

    device: torch.device
    autocast: torch.dtype | None = None
    rank: int = 0
    count: int = 1

    @classmethod
    def of(cls, device: str | None = None, precision: str = "auto") -> Machine:
        """The machine that this process finds itself on; mixed precision is `auto` on GPUs that gain by it."""
        named = None if device is None else usable(device)
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import PartialState

            state = PartialState(cpu=named is not None and not apart(named))
            return cls(state.device, _autocast(state.device, precision), state.process_index, state.num_processes)
        found = named or usable(accelerator() or "cpu")
        return cls(found, _autocast(found, precision))

    def lay_out(self, network: nn.Module, size: tuple[int, ...]) -> None:
        """Move a network here, in the memory layout in which it is fastest on a grid of this size."""
        lay_out(network, size, self.device)

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def mine(self, start: int, count: int) -> range:
        """This process's share of `count` numbers from `start`."""
        if count % self.count:
            problem = f"{count} samples do not divide among {self.count} processes."
            raise UsageError("train.batch_size", problem, f"Make it a multiple of {self.count}.")
        part = count // self.count
        return range(start + self.rank * part, start + (self.rank + 1) * part)

    def mixed(self) -> AbstractContextManager[Any]:
        """The number format of the network's evaluation."""
        return nullcontext() if self.autocast is None else torch.autocast(self.device.type, self.autocast)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes."""
        if self.count == 1:
            return values
        from accelerate.utils import reduce

        return reduce(values, reduction="mean")

    def largest(self, value: Tensor) -> Tensor:
        """The largest value, `()`, over all processes."""
        if self.count == 1:
            return value
        from accelerate.utils import gather

        found: Tensor = gather(value.reshape(1))
        return found.max()

    def anyone(self, said: bool) -> bool:
        """Whether any process says so."""
        return said if self.count == 1 else bool(self.largest(torch.tensor(int(said), device=self.device)))

    def all_of(self, values: Tensor) -> Tensor:
        """The values `(N,)` of all processes, in their order."""
        if self.count == 1:
            return values
        from accelerate.utils import gather

        found: Tensor = gather(values)
        return found

    def all_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The names that all processes give, in their order."""
        if self.count == 1:
            return names
        from accelerate.utils import gather_object

        return tuple(gather_object(list(names)))

    def average_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Replace every gradient by its mean over all processes, in one message."""
        if self.count == 1:
            return
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for p, part in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
            p.grad = torch.empty_like(p).copy_(part.view_as(p))  # in the weight's own layout: the optimiser reads both

    def wait(self) -> None:
        """Until all processes have come this far."""
        if self.count > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()


def _autocast(device: torch.device, precision: str) -> torch.dtype | None:
    if precision == "auto":
        precision = "bf16" if has_bfloat16(device) else "fp32"
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
