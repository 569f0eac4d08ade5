"""Tensors in pieces of memory are those that were packed, in their layouts; pieces are few, and none is too long."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dynaxx.stage import packed
from dynaxx.stage.packed import pack

CPU = torch.device("cpu")
NUMBERS = [torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.bool, torch.uint8, torch.complex64]


def taken(count: int) -> Tensor:
    return torch.full((count,), 255, dtype=torch.uint8)


def drawn(dtype: torch.dtype, size: list[int], seed: int) -> Tensor:
    return torch.randint(0, 256, (*size,), generator=torch.Generator().manual_seed(seed)).to(dtype)


@given(
    st.lists(st.tuples(st.sampled_from(NUMBERS), st.lists(st.integers(0, 5), max_size=4)), max_size=12),
    st.sampled_from([1, 600, 2**28]),
)
def test_what_is_packed_is_found_again(kinds: list[tuple[torch.dtype, list[int]]], piece: int) -> None:
    tensors = [drawn(dtype, size, i) for i, (dtype, size) in enumerate(kinds)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "PIECE", piece)
        found = pack(tensors, taken)
    for x, y in zip(tensors, found.tensors(), strict=True):
        assert torch.equal(x, y)
        assert (x.dtype, x.stride()) == (y.dtype, y.stride())
    there = found.on(CPU)
    for x, y in zip(found.pieces, there.pieces, strict=True):
        y.copy_(x)
    assert all(torch.equal(x, y) for x, y in zip(tensors, there.tensors(), strict=True))
    used = sum(piece.numel() for piece in found.pieces)
    assert used <= sum(x.numel() * x.element_size() + packed.GRAIN for x in tensors)


def test_layouts_stay_and_gaps_do_not() -> None:
    last = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    wide = torch.arange(24.0).view(4, 6)[:, ::2]
    found = pack([last, wide, torch.tensor(7.0)], taken)
    assert len(found.pieces) == 1
    (x, y, z) = found.tensors()
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, last)
    assert y.is_contiguous()
    assert torch.equal(y, wide)
    assert float(z) == 7
    assert all(tensor.data_ptr() % 8 == 0 for tensor in (x, y, z))


def test_pieces_are_as_long_as_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "PIECE", 4096)
    counts: list[int] = []

    def counting(count: int) -> Tensor:
        counts.append(count)
        return taken(count)

    pack([torch.ones(n) for n in (100, 500, 10, 2000, 3, 880)], counting)
    assert counts == [512 + 2048 + 512, 8192, 512 + 3584], "one by itself is longer than a piece may be"


def test_where_there_is_no_such_memory_tensors_stay_themselves() -> None:
    tensors = [torch.ones(3), torch.zeros(2, 2)]
    found = pack(tensors, lambda count: None)
    assert all(x is y for x, y in zip(tensors, found.tensors(), strict=True))


def test_tensors_of_a_kind_of_their_own_are_not_taken_apart() -> None:
    class Own(Tensor):
        """As quantised weights are: more than numbers in memory."""

    own = torch.ones(3).as_subclass(Own)
    found = pack([torch.ones(2), own, torch.ones(4)], taken)
    assert found.tensors()[1] is own
    assert len(found.pieces) == 2
    assert [x.tolist() for x in found.tensors()] == [[1, 1], [1, 1, 1], [1, 1, 1, 1]]
