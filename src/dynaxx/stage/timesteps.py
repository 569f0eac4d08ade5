"""How pretrained networks are told a level: the timestep of their own table at which the signal is as noisy."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from dynaxx.signal.device import double, has_float64
from dynaxx.spec.network import TimestepsSpec

FLOW_STEPS = 1000.0
"""Networks of flows are told t in thousandths."""


def timesteps_of(spec: TimestepsSpec) -> Callable[[Tensor], Tensor]:
    """From `told` levels in [0, 1] (2 / pi atan std) to timesteps, read between the table's entries in ln std."""
    if spec.kind == "flow":
        return _flow
    on = lru_cache(_log_stds(spec).to)  # copied to a device once: a copy from step to step would wait for it

    def timestep(level: Tensor) -> Tensor:
        log = _std(level).log()
        table = on(log.device)
        left = (torch.searchsorted(table, log, right=True) - 1).clamp(0, len(table) - 2)
        share = (log - table[left]) / (table[left + 1] - table[left])
        return (left + share).clamp(0, len(table) - 1).to(level.dtype).to(level.device)

    return timestep


def _flow(level: Tensor) -> Tensor:
    std = _std(level)
    found = FLOW_STEPS * std / (1 + std)
    return found if has_float64(level.device) else found.to(level.dtype).to(level.device)


def _std(level: Tensor) -> Tensor:
    return torch.tan(double(level) * (math.pi / 2)).clamp(1e-8, 1e8)


def _log_stds(spec: TimestepsSpec) -> Tensor:
    """Ln std at every timestep, `0.5 ln((1 - alpha_bar) / alpha_bar)`."""
    if spec.kind == "cosine":  # squaredcos_cap_v2 (arXiv 2102.09672, equation 17)
        at = torch.arange(spec.steps + 1, dtype=torch.float64) / spec.steps
        bar = torch.cos((at + 0.008) / 1.008 * math.pi / 2) ** 2
        betas = (1 - bar[1:] / bar[:-1]).clamp(max=0.999)
    elif spec.kind == "scaled-linear":
        betas = torch.linspace(spec.first**0.5, spec.last**0.5, spec.steps, dtype=torch.float64) ** 2
    else:
        betas = torch.linspace(spec.first, spec.last, spec.steps, dtype=torch.float64)
    falls = torch.log1p(-betas).cumsum(0)
    return 0.5 * torch.log(torch.expm1(-falls))
