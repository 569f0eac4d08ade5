"""The kernels that real devices choose, on tensors without memory, where torch would write operations out instead."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.checkpoint import checkpoint

ATTENDED = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
"""What attention is given, in torch's order."""


class RealKernels(TorchFunctionMode):
    """Attention in blocks, never as a matrix of all scores (arXiv 2205.14135), and normalisation in one piece."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call `func`, or what stands for it."""
        given = kwargs or {}
        if func is F.scaled_dot_product_attention:
            named = {**dict(zip(ATTENDED, args, strict=False)), **given}
            if not named.get("dropout_p"):
                masks = named.get("attn_mask"), bool(named.get("is_causal"))
                return _attend(named["query"], named["key"], named["value"], *masks, scale=named.get("scale"))
        if func is F.group_norm:
            return _normalise(*args, *given.values())
        return func(*args, **given)


def _attend(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool, *, scale: float | None
) -> Tensor:
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    if mask is not None and mask.dtype == torch.bool:
        mask = torch.where(mask, 0.0, float("-inf")).to(query.dtype)
    return kernel(query, key, value, 0.0, causal, attn_mask=mask, scale=scale)[0]


class _Norm(torch.autograd.Function):
    """Group normalisation that keeps its input, in the layout that it has."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        """Normalise `(B, C, *size)`."""
        ctx.sizes = (x.shape[0], x.shape[1], math.prod(x.shape[2:]), groups)
        y, mean, rstd = torch.ops.aten.native_group_norm(x, weight, bias, *ctx.sizes, eps)
        ctx.save_for_backward(x, weight, mean, rstd)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Gradients of signal, weight and bias."""
        x, weight, mean, rstd = ctx.saved_tensors
        layout = torch.contiguous_format if x.is_contiguous() else torch.channels_last
        grad = grad.contiguous(memory_format=layout if x.ndim == 4 else torch.contiguous_format)
        back = torch.ops.aten.native_group_norm_backward
        found = back(grad, x, mean, rstd, weight, *ctx.sizes, [True] * 3)
        return found[0], None, found[1], found[2], None


def _normalise(
    x: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    return _Norm.apply(x, groups, weight, bias, eps)


def recomputed(module: nn.Module, *args: Any) -> Any:
    """A module whose inner signals are not kept but made again, by the same kernels, when gradients need them."""
    return checkpoint(module, *args, use_reentrant=False, context_fn=lambda: (nullcontext(), RealKernels()))
