"""How an error that memory ran out is told from others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

WORDS = (
    "DefaultCPUAllocator", "out of memory", "_STATUS_ALLOC_FAILED", "unable to find an engine",
    "ERROR_OUT_OF_DEVICE_MEMORY",
)  # fmt: skip
"""What is said by those that take memory past torch's own allocator, or know torch's error only in words.

The system's, drivers ("CUDA error: out of memory", "Triton Error [CUDA]: out of memory", "MPS backend out of memory"),
cuBLAS and cuDNN, which finds no engine where there is no room for the workspace of any, and Intel's Level Zero.
"""


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    told = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return told or any(words in str(error) for words in WORDS)


@contextmanager
def if_there_is_room() -> Iterator[None]:
    """Leave off where memory does not do for it."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
