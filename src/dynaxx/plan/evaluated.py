"""The profile of one evaluation of a network that stands without memory, whoever's network it is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from dynaxx.plan.growth import Scale
from dynaxx.plan.kernels import RealKernels
from dynaxx.plan.profile import Profile
from dynaxx.plan.tracker import Tracker


def evaluated(network: nn.Module, call: Callable[[], object], size: tuple[int, ...]) -> Profile:
    """What `call` does with a network on the meta device, in the network's number format."""
    tracker, weights = Tracker(Scale(len(size), 1, fixed=size)), list(network.parameters())
    for p in weights:
        tracker.hold(p)
    with torch.no_grad(), RealKernels(), tracker:
        call()
    tracker.heights.tensors.add(tracker.held())
    held, dtype = sum(p.numel() * p.itemsize for p in weights), str(weights[0].dtype).removeprefix("torch.")
    count, heights = sum(p.numel() for p in weights), tracker.heights.undominated()
    return Profile(tracker.scale, count, held, heights, (), {1: tracker.ops}, dtype)
