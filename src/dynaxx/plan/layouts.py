"""The memory layout that answers have on real devices, where tensors without memory would get another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

aten = torch.ops.aten
KEEPS = (aten.native_group_norm.default, aten.native_group_norm_backward.default)
"""Operations that answer in the layout of what they are given."""


def laid_out(func: Any, args: Sequence[Any], out: Any) -> Any:
    """The answer in its real layout: convolutions answer channels-last where signal or weights are."""
    if func is aten.convolution.default:
        return _channels_last(out) if _last(args[0]) or _last(args[1]) else out
    if func is aten.convolution_backward.default:
        last = _last(args[1]) or _last(args[2])
        return (_channels_last(out[0]), *out[1:]) if last and out[0] is not None else out
    if func in KEEPS:
        given = args[0] if func is KEEPS[0] else args[1]
        return (_channels_last(out[0]), *out[1:]) if _last(given) and out[0] is not None else out
    return out


def _last(x: Tensor) -> bool:
    return x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)


def _channels_last(x: Tensor) -> Tensor:
    return x if _last(x) else torch.empty_like(x, memory_format=torch.channels_last)
