"""A machine whose every operation takes a time that is known: what a calibration of it tells can be held to that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dynaxx.plan.ops import cost, is_view
from dynaxx.plan.time import calibrate, half_timing

FLOPS = {torch.float32: 2e10, torch.bfloat16: 8e10, torch.float16: 1e9}
"""A second, by number format: of a product; a convolution runs at a third of it."""
CALL_S = {torch.float32: 1e-5, torch.bfloat16: 6e-5, torch.float16: 2e-5}
"""Of every operation that computes."""
BYTES = 1e10
"""A second that any operation reads and writes, beside computing."""


@final
class PlantedMachine(TorchDispatchMode):
    """Counts what the operations below it take; `now_s` is its clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Carry the operation out, and let its time pass."""
        out = func(*args, **(kwargs or {}))
        if not is_view(func):
            kind, _, flops = cost(func, args, out)
            tensors = [x for x in tree_leaves((args, out)) if isinstance(x, Tensor)]
            form = next((x.dtype for x in tensors if x.dtype in FLOPS), torch.float32)
            self.now_s += sum(x.numel() * x.itemsize for x in tensors) / BYTES
            if flops:
                self.now_s += CALL_S[form] + flops * (3 if kind.startswith("conv") else 1) / FLOPS[form]
        return out

    def seconds_of(self, work: Callable[[], object], *_: object, **__: object) -> float:
        """What a piece of work takes, once."""
        start = self.now_s
        with self:
            work()
        return self.now_s - start

    def stand_in(self, patch: Any) -> None:
        """Be what a calibration times, and by whose clock its budget passes."""
        for module in (calibrate, half_timing):
            patch.setattr(module, "seconds_of", self.seconds_of)
            patch.setattr(module.time, "perf_counter", lambda: self.now_s)
        patch.setattr(calibrate, "transfer_of", lambda device: None)
