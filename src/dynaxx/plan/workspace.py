"""What an operation holds for a moment beyond its inputs and its answer: on CPUs, copies in blocks of channels."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from dynaxx.plan.scores import ATTENTION

aten = torch.ops.aten
Moments = tuple[tuple[int, ...], ...]
"""What is held, in bytes, at each moment that may be the fullest."""
FEW_CHANNELS = 16
"""Fewer channels than this are read as they lie."""


@cache
def block() -> int:
    """The channels that a vector register of this CPU takes, to which oneDNN pads them."""
    return 16 if "AVX512" in torch.backends.cpu.get_cpu_capability() else 8


def moments(func: Any, args: Sequence[Any], out: Any) -> Moments:
    """The fullest moments while a CPU carries the operation out, answers included, inputs and attention's scores not.

    oneDNN convolves in blocks of channels: a plainly laid out signal is copied into them, its answer out of them, and
    weights are copied whatever the layout. Kernels of one site are plain products. (A single thread convolves a
    single small sample in another way, which this does not follow.)
    """
    if func in ATTENTION:
        return (tuple(map(_bytes, out)),)
    found = RULES.get(func)
    return found(args, out) if found else ()


def _conv(args: Sequence[Any], out: Tensor) -> Moments:
    x, weight = args[0], args[1]
    if args[6] or _site(weight, args[3]):
        return ()
    if _channels_last(x):
        return ((_bytes(out), _weight(weight)),)
    source = 0 if x.shape[1] < FEW_CHANNELS else _blocked(x)
    return (source, _weight(weight), _blocked(out)), (_blocked(out), _bytes(out))


def _conv_backward(args: Sequence[Any], out: Sequence[Tensor | None]) -> Moments:
    grad, x, weight = args[0], args[1], args[2]
    answer = 0 if out[0] is None else _bytes(out[0])
    if args[7] or _site(weight, args[4]):
        return ((answer, answer),) if x.ndim == 5 else ()
    if _channels_last(x):
        return ((answer, *[_weight(weight)] * 3),)
    second = (answer, _blocked(grad), _blocked(x, least=8), _weight(weight))
    if out[0] is None:
        return (second,)
    return (_blocked(grad), _weight(weight), _blocked(x)), (_blocked(x), answer), second


def _upsample(args: Sequence[Any], out: Tensor) -> Moments:
    return () if _channels_last(args[0]) else ((_bytes(args[0]), _bytes(out), _bytes(out)),)


def _site(weight: Tensor, stride: Sequence[int]) -> bool:
    return math.prod(weight.shape[2:]) == 1 and set(stride) == {1}


def _channels_last(x: Tensor) -> bool:
    return x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()


def _bytes(x: Tensor) -> int:
    return x.numel() * x.itemsize


def _blocked(x: Tensor, least: int | None = None) -> int:
    return x.shape[0] * _padded(x.shape[1], least) * math.prod(x.shape[2:]) * x.itemsize


def _weight(weight: Tensor) -> int:
    inward = weight.shape[1] if weight.shape[1] < FEW_CHANNELS else _padded(weight.shape[1])
    return _padded(weight.shape[0]) * inward * math.prod(weight.shape[2:]) * weight.itemsize


def _padded(channels: int, least: int | None = None) -> int:
    step = least if least and channels <= least else block()
    return -(-channels // step) * step


RULES: dict[Any, Callable[[Sequence[Any], Any], Moments]] = {
    aten.convolution.default: _conv,
    aten.convolution_backward.default: _conv_backward,
    aten.upsample_nearest2d.default: _upsample,
}
