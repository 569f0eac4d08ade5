"""What the benchmarks' meter of memory counts."""

from __future__ import annotations

import torch
from meter import held

MIB = 2**20


def test_what_an_earlier_look_saw_given_out_and_is_taken_back_does_not_hide_what_comes() -> None:
    kept: list[torch.Tensor] = []
    held(lambda: kept.append(torch.ones(4 * MIB, dtype=torch.uint8)))

    def work() -> None:
        kept.clear()
        kept.append(torch.ones(3 * MIB, dtype=torch.uint8))

    assert held(work).tensors == 3 * MIB


def test_what_is_given_out_and_taken_back_counts_at_its_peak() -> None:
    def work() -> None:
        torch.ones(2 * MIB, dtype=torch.uint8)
        torch.ones(MIB, dtype=torch.uint8)

    assert held(work).tensors == 2 * MIB
