"""A copy of a training's state in memory, laid out as the safetensors files that it becomes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor

NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
"""What safetensors calls the types of numbers."""
LENGTH = 8
"""The bytes before the header that say how long it is; header and numbers begin at multiples of it."""


@final
class Snapshot:
    """Blocks of memory that are filled again and again, one per file: a copy costs no more than the copying."""

    def __init__(self) -> None:
        self._blocks: dict[str, Block] = {}

    def take(self, tensors: Mapping[str, Mapping[str, Tensor]]) -> dict[str, memoryview]:
        """Copy tensors by file and name; what is given back is valid until the next call."""
        for file, values in tensors.items():
            known = self._blocks.get(file)
            if known is None or known.header != header_of(values):
                self._blocks[file] = Block(values)
            self._blocks[file].fill(values)
        return {file: self._blocks[file].view() for file in tensors}


@final
class Block:
    """One safetensors file in memory: a header of names, types, shapes and places, then the numbers."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        self.header = header_of(values)
        start = LENGTH + len(self.header)
        self._bytes = torch.empty(start + sum(value.nbytes for value in values.values()), dtype=torch.uint8)
        self._bytes[:start] = torch.frombuffer(
            bytearray(len(self.header).to_bytes(LENGTH, "little") + self.header), dtype=torch.uint8
        )
        self._start = start

    @torch.no_grad()
    def fill(self, values: Mapping[str, Tensor]) -> None:
        """Copy the numbers of tensors of these very names, types and shapes."""
        at = self._start
        for name in _ordered(values):
            value = values[name]
            if value.nbytes:
                self._bytes[at : at + value.nbytes].view(value.dtype).view(value.shape).copy_(value)
            at += value.nbytes

    def view(self) -> memoryview:
        """The file's bytes."""
        return self._bytes.numpy().data


def header_of(values: Mapping[str, Tensor]) -> bytes:
    """The header of a safetensors file, padded with spaces."""
    facts, at = {}, 0
    for name in _ordered(values):
        value, end = values[name], at + values[name].nbytes
        facts[name] = {"dtype": NAMES[value.dtype], "shape": list(value.shape), "data_offsets": [at, end]}
        at = end
    text = json.dumps(facts, separators=(",", ":"), ensure_ascii=False).encode()
    return text + b" " * (-len(text) % LENGTH)


def _ordered(values: Mapping[str, Tensor]) -> list[str]:
    """The widest numbers first, so that each kind begins at a multiple of its width."""
    return sorted(values, key=lambda name: (-values[name].element_size(), name))
