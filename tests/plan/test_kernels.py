"""Tensors without memory are attended to by the kernel that real ones get, whatever heads share keys and masks hide."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from dynaxx.plan.growth import Scale, evaluate
from dynaxx.plan.kernels import RealKernels
from dynaxx.plan.tracker import OpKey, Tracker

BATCH, HEADS, ROWS, KEYS, WIDTH = 2, 8, 64, 48, 16
SCALE = Scale(1, 1, fixed=(ROWS,))
MASKS: dict[str, Any] = {"none": {}, "causal": {"is_causal": True}, "boolean": {"attn_mask": torch.bool}}


def attended(device: str, groups: int, mask: str, *, back: bool) -> None:
    """A call in which so many heads of keys and values serve all heads of queries."""
    query = torch.ones(BATCH, HEADS, ROWS, WIDTH, device=device, requires_grad=back)
    key, value = (torch.ones(BATCH, groups, KEYS, WIDTH, device=device, requires_grad=back) for _ in range(2))
    given = dict(MASKS[mask])
    if "attn_mask" in given:
        given["attn_mask"] = torch.ones(ROWS, KEYS, dtype=torch.bool, device=device)
    out = F.scaled_dot_product_attention(query, key, value, enable_gqa=groups != HEADS, **given)
    if back:
        out.backward(torch.ones_like(out))


def followed(device: str, *args: Any, back: bool) -> Tracker:
    tracker = Tracker(SCALE)
    with RealKernels() if device == "meta" else nullcontext(), tracker:
        attended(device, *args, back=back)
    return tracker


@pytest.mark.parametrize("groups", [8, 2, 1])
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("back", [False, True], ids=["forward", "backward"])
def test_attention_is_what_a_real_call_comes_to(groups: int, mask: str, *, back: bool) -> None:
    """The same kernels, with their FLOPs, their bytes and their peaks; keys are not copied for the heads they serve."""
    planned, real = (followed(device, groups, mask, back=back) for device in ("meta", "cpu"))
    assert attention_of(planned) == attention_of(real)
    assert [kind for kind, *_ in attention_of(planned)] == ["attention", "attention_back"][: 1 + back]
    assert planned.heights.undominated().at_work == real.heights.undominated().at_work


@pytest.mark.parametrize("groups", [8, 2, 1])
def test_its_flops_are_those_of_torchs_counter(groups: int) -> None:
    found = followed("meta", groups, "none", back=False)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        attended("cpu", groups, "none", back=False)
    flops = sum(n * evaluate(does, SCALE.units(BATCH, (ROWS,))) for (_, _, does, _), n in found.ops.items())
    assert flops == counter.get_total_flops()


def attention_of(tracker: Tracker) -> dict[OpKey, int]:
    return {key: n for key, n in tracker.ops.items() if key[0].startswith("attention")}
