"""The times at which a batch is trained, and the levels of its inputs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dynaxx.engine.edges import Strength
from dynaxx.noise.process import Process
from dynaxx.signal.random import Draws
from dynaxx.spec.edge import EdgeSpec, Ranged
from dynaxx.spec.training import LevelSamplingSpec

BLUR_LEVELS = 32
"""Blur widths are drawn from as many values, so that their matrices can be kept."""


def draw_times(spec: LevelSamplingSpec, process: Process, draws: Draws, batch: int) -> Tensor:
    """One t in [0, 1] per sample, `(B,)`: uniform, stratified over batches of `batch`, or of a log-normal std.

    Stratified, sample number n has `t = (n mod batch + u) / batch`; log-normal, `std = exp(mean + std z)`
    (arXiv 2206.00364, table 1).
    """
    match spec.kind:
        case "uniform":
            return draws.uniform("t", ())
        case "stratified":
            return (torch.tensor(draws.ids) % batch + draws.uniform("t", ())) / batch
        case "lognormal":
            z = draws.normal("t", (), dtype=torch.float64).tolist()
            return torch.tensor([process.t_of_std(math.exp(spec.mean + spec.std * value)) for value in z])


def draw_strength(edge: EdgeSpec, draws: Draws, axes: int, device: torch.device) -> Strength:
    """Levels uniform in the edge's trained ranges, one per sample; a corruption without a range keeps its level."""
    shape = (len(draws.ids), *[1] * (axes + 1))
    noise = _drawn(edge.noise, draws.uniform("noise level", ()))
    steps = (draws.uniform("blur level", ()) * BLUR_LEVELS).floor() / (BLUR_LEVELS - 1)
    blur = _drawn(edge.blur, steps)
    return Strength(noise.view(shape).to(device), blur.view(shape))


def _drawn(corruption: Ranged | None, u: Tensor) -> Tensor:
    if corruption is None:
        return torch.zeros_like(u)
    low, high = corruption.train_std or (corruption.std, corruption.std)
    return low + (high - low) * u
