"""How long a network's call takes, and no longer than anyone would wait for it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from dynaxx.signal.device import apart, synchronize
from dynaxx.stage.levers.captured import Call
from dynaxx.stage.tensors import tensors

ROUNDS, WARM = 5, 2
PATIENCE = 3.0
"""How many times as long as before a call may take; what takes longer is hopeless."""
START_S, ACCELERATOR_START_S = 0.5, 5.0
"""What a first call may take beside: kernels are chosen, and on an accelerator loaded."""


class TooSlow(Exception):
    """A call is left midway: it has taken `took_s` already."""

    def __init__(self, took_s: float) -> None:
        super().__init__(f"left after {took_s:.3g} s")
        self.took_s = took_s


def timed(network: nn.Module, call: Call, before_s: float = math.inf) -> tuple[float, Tensor]:
    """The least seconds of a few calls, after some that nobody counts, and the answer.

    `before_s` is what the call took without a change.

    Raises:
        TooSlow: if one of the first calls takes much longer; it is left at the next layer.
    """
    device, times = next(network.parameters()).device, list[float]()
    for number in range(WARM + ROUNDS):
        synchronize(device)
        start_s = 0.0 if number else ACCELERATOR_START_S if apart(device) else START_S
        limit_s = PATIENCE * before_s + start_s if number < WARM else math.inf
        began = time.perf_counter()
        with _left_after(network, limit_s):
            found = network(*call.args, **call.named)
            synchronize(device)
        times.append(time.perf_counter() - began)
        if times[-1] > limit_s:
            raise TooSlow(times[-1])
    return min(times[WARM:]), next(tensors(found)).clone()


@contextmanager
def _left_after(network: nn.Module, limit_s: float) -> Iterator[None]:
    """Have a call left, at the layer that would come next, once it has taken so long."""
    began = time.perf_counter()

    def look(*_: object) -> None:
        if (took_s := time.perf_counter() - began) > limit_s:
            raise TooSlow(took_s)

    layers = network.modules() if math.isfinite(limit_s) else ()
    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
