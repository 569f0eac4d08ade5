"""What one operation costs: its class, the shape that its speed depends on, FLOPs, and the bytes it moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from dynaxx.plan.growth import BATCH

aten = torch.ops.aten
Shape = tuple[int, ...]
Cost = tuple[str, Shape, int]
"""The class of an operation, what of its shape its speed depends on, and its FLOPs."""


def cost(func: Any, args: Sequence[Any], out: Any) -> Cost:
    """Class, shape and FLOPs; a multiplication with its addition counts as two.

    Operations without a formula do no arithmetic worth counting: their time is that of the bytes they move.
    """
    count = COUNTED.get(func)
    return count(args, out) if count else (kind_of(func), (), 0)


@cache
def is_view(func: Any) -> bool:
    """Whether an operation only looks at memory that is there."""
    aliases = [r.alias_info for r in func._schema.returns if r.alias_info is not None]
    return bool(aliases) and not any(alias.is_write for alias in aliases)


@cache
def kind_of(func: Any) -> str:
    """The class of an operation without a formula: those of one class move bytes at about one rate."""
    name = func._schema.name.split("::")[-1]
    return next((kind for kind, words in KINDS.items() if any(word in name for word in words)), "pointwise")


KINDS = {
    "norm": ("group_norm", "layer_norm"),
    "silu": ("silu", "gelu", "sigmoid", "tanh", "softmax", "sin", "cos", "exp", "log", "sqrt"),
    "copy": ("cat", "clone", "copy", "stack", "repeat", "contiguous", "expand", "slice_backward", "split"),
    "resize": ("upsample", "pool", "index", "embedding", "pad"),
    "sum": ("sum", "mean", "kthvalue", "amax"),
    "fill": ("zeros", "ones", "empty", "full", "arange", "fill", "scalar_tensor", "new_"),
}


def _conv(args: Sequence[Any], out: Tensor) -> Cost:
    x, weight, transposed, groups = args[0], args[1], args[6], args[8]
    sites = x if transposed else out
    flops = 2 * weight.numel() * sites.shape[0] * math.prod(sites.shape[2:])
    return _conv_kind(weight, args[3]), _conv_shape(x, weight, args[3], groups), flops


def _conv_backward(args: Sequence[Any], out: Sequence[Tensor | None]) -> Cost:
    grad, x, weight, transposed, groups = args[0], args[1], args[2], args[7], args[9]
    sites = x if transposed else grad
    each = 2 * weight.numel() * sites.shape[0] * math.prod(sites.shape[2:])
    wanted = sum(bool(need) for need in args[10][:2])
    return _conv_kind(weight, args[4]) + "_back", _conv_shape(x, weight, args[4], groups), wanted * each


def _conv_kind(weight: Tensor, stride: Sequence[int]) -> str:
    return "conv1" if math.prod(weight.shape[2:]) == 1 and set(stride) == {1} else "conv"


def _conv_shape(x: Tensor, weight: Tensor, stride: Sequence[int], groups: int) -> Shape:
    """Axes, channels in and out, kernel, stride, layout, and how many copies of the batch it is given."""
    last = int(x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous())
    copies = max(1, x.shape[0] // BATCH)
    return x.ndim - 2, weight.shape[1] * groups, weight.shape[0], weight.shape[-1], max(stride), last, copies


def _addmm(args: Sequence[Any], out: Tensor) -> Cost:
    return _product(args[1], args[2])


def _mm(args: Sequence[Any], out: Tensor) -> Cost:
    return _product(args[0], args[1])


def _product(a: Tensor, b: Tensor) -> Cost:
    batch = math.prod(a.shape[:-2])
    flops = 2 * batch * a.shape[-2] * a.shape[-1] * b.shape[-1]
    return "mm", (a.shape[-1], b.shape[-1]), flops


def _attention(args: Sequence[Any], out: Sequence[Tensor]) -> Cost:
    return "attention", _attention_shape(args[0]), _attention_flops(args[0], args[1], args[2], 2)


def _attention_backward(args: Sequence[Any], out: Sequence[Tensor]) -> Cost:
    return "attention_back", _attention_shape(args[1]), _attention_flops(args[1], args[2], args[3], 5)


def _attention_shape(query: Tensor) -> Shape:
    return (query.shape[-1],)


def _attention_flops(query: Tensor, key: Tensor, value: Tensor, products: int) -> int:
    """Scores and their use forward; five products of that size backward (arXiv 2205.14135, algorithm 4)."""
    rows = math.prod(query.shape[:-1])
    return products * rows * key.shape[-2] * (query.shape[-1] + value.shape[-1])


COUNTED: dict[Any, Callable[[Sequence[Any], Any], Cost]] = {
    aten.convolution.default: _conv,
    aten.convolution_backward.default: _conv_backward,
    aten.mm.default: _mm,
    aten.bmm.default: _mm,
    aten.addmm.default: _addmm,
    aten.baddbmm.default: _addmm,
    aten._scaled_dot_product_flash_attention_for_cpu.default: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward.default: _attention_backward,
}
