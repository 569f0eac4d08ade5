"""Errors that come of a device, not of what it was asked for: it failed, or has no kernel for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dynaxx.errors import RunError
from dynaxx.stage.memory import ran_out

FAILED = (
    "CUDA error", "CUDA driver error", "HIP error", "MPS backend", "cuDNN", "CUDNN_STATUS", "CUBLAS_STATUS",
    "CUSOLVER_STATUS", "CUSPARSE_STATUS", "CUFFT", "cuFFT error", "NCCL", "device-side assert", "Native API failed",
    "level_zero backend failed",
)  # fmt: skip
"""What the messages of drivers and libraries say; torch has a class for some of them, and not in every version."""
LACKS = (
    "not implemented for '", "Could not run 'aten::", "no kernel image", "not currently implemented for the",
)  # fmt: skip
NO_FLOAT64 = "support float64"
"""What Apple's say as a TypeError."""


def device_error(error: BaseException, stage: str, device: object) -> RunError | None:
    """The error of a stage that its device is the cause of, with the way out; None for others, and for memory."""
    said = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    narrow = isinstance(error, TypeError) and NO_FLOAT64 in said
    if ran_out(error) or not (narrow or isinstance(error, RuntimeError)):
        return None
    if narrow or any(words in said for words in LACKS):
        fix = "Give the stage `dtype: float32`, leave out what asks for it in `call`, or name another --device."
        return RunError(f"stage {stage!r}", f"device {device} has no kernel for it ({_first_sentence(said)}).", fix)
    if isinstance(error, getattr(torch, "AcceleratorError", ())) or any(words in said for words in FAILED):
        where = "CUDA_LAUNCH_BLOCKING=1 shows where; or use" if str(device).startswith("cuda") else "Or use"
        fix = f"Begin anew: this process cannot use it any more. {where} --device cpu."
        return RunError(f"stage {stage!r}", f"device {device} failed ({said}).", fix)
    return None


@contextmanager
def device_errors(stage: str, device: object) -> Iterator[None]:
    """Turn what a device is the cause of into one error; all else stays what it is.

    Raises:
        RunError: naming the stage and the device, with the way out.
    """
    try:
        yield
    except (RuntimeError, TypeError) as error:
        if (fault := device_error(error, stage, device)) is not None:
            raise fault from error
        raise


def _first_sentence(said: str) -> str:
    return said.split(". ")[0]
