"""How an error that memory ran out is told from others."""

from __future__ import annotations

import torch

WORDS = ("DefaultCPUAllocator", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED")
"""What is said by those that take memory past torch's own allocator: the system's, drivers, cuBLAS and cuDNN."""


def ran_out(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    told = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return told or any(words in str(error) for words in WORDS)
