"""What a device is the cause of is not blamed on the user's call."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_pipelines import saved

from dynaxx import Cascade
from dynaxx.engine.runtime import Runtime
from dynaxx.errors import RunError
from dynaxx.spec.files import parse
from dynaxx.stage.faults import device_errors
from dynaxx.stage.memory import ran_out
from dynaxx.stage.pipeline.refused import refusals

STAGE: dict[str, Any] = {
    "name": "base", "role": "base", "kind": "pipeline", "load": "sd", "call": {"num_inference_steps": 2},
    "out": {"size": [16, 16]},
}  # fmt: skip


def drawn(root: Path, work: Callable[[], object], *levers: str) -> None:
    """A run in whose network something is done."""
    saved("sd", root)
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [STAGE]})
    live = Cascade.from_spec(spec, root=root, runtime=Runtime(device="cpu", levers=levers))
    live.sample("a red apple")
    stage: Any = live.stages["base"]
    stage.pipe.unet.conv_in.register_forward_pre_hook(lambda *_: work() and None)
    live.sample("a red apple")


MISSING: dict[str, Callable[[], object]] = {
    "number format": lambda: torch.ones(2, 2).half().cholesky_inverse(),
    "operation": lambda: torch.ops.aten._cudnn_rnn_flatten_weight([torch.ones(2)], 1, 1, 1, 1, 1, 1, False, False),
}


@pytest.mark.parametrize("what", MISSING)
def test_a_kernel_that_is_missing_is_the_devices(tmp_path: Path, what: str) -> None:
    with pytest.raises(RunError, match=r"stage 'base': device cpu has no kernel for it \(.*`dtype: float32`") as found:
        drawn(tmp_path, MISSING[what])
    assert isinstance(found.value.__cause__, NotImplementedError)
    assert len(str(found.value)) < 300, "one sentence of torch's, not its whole table of backends"


def accelerator(said: str) -> Exception:
    return getattr(torch, "AcceleratorError", RuntimeError)(said)  # type: ignore[no-any-return]


LACKING: list[Exception] = [
    NotImplementedError(
        "The operator 'aten::x' is not currently implemented for the MPS device. To fall back, set it."
    ),
    TypeError(
        "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. Use float32."
    ),
]
"""As torch 2.13 says it."""


@pytest.mark.parametrize("error", LACKING, ids=lambda error: str(error)[:24])
def test_what_a_device_lacks_is_the_devices(error: Exception) -> None:
    says = r"stage 'base': device mps:0 has no kernel for it \(.*`dtype: float32`"
    with pytest.raises(RunError, match=says) as found, device_errors("base", torch.device("mps:0")):
        raise error
    assert found.value.__cause__ is error


def test_a_mistake_of_types_stays_one() -> None:
    with pytest.raises(TypeError, match="got an unexpected keyword"), device_errors("base", "cpu"):
        Runtime(batch=3)  # type: ignore[call-arg]


FAILED: list[Exception] = [
    accelerator("CUDA error: an illegal memory access was encountered\nCUDA kernel errors might be reported later."),
    accelerator("an error of a kind that no list has"),
    RuntimeError("CUDA error: device-side assert triggered"),
    RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb )`"),
    RuntimeError("NCCL Error 2: unhandled system error (run with NCCL_DEBUG=INFO for details)"),
]


@pytest.mark.parametrize("error", FAILED, ids=lambda error: str(error)[:24])
def test_a_device_that_fails_is_named(error: Exception) -> None:
    says = r"stage 'base': device cuda:1 failed \(.*Begin anew.*--device cpu"
    with pytest.raises(RunError, match=says) as found, refusals("base", torch.device("cuda:1")):
        raise error
    assert str(error).splitlines()[0] in str(found.value)
    assert "Change `call`" not in str(found.value)
    assert found.value.__cause__ is error


def test_a_run_says_on_which_device(tmp_path: Path) -> None:
    def fail() -> None:
        raise FAILED[0]

    with pytest.raises(RunError, match="stage 'base': device cpu failed"):
        drawn(tmp_path, fail)


@pytest.mark.parametrize("spread", [None, {"base": ("cpu",)}])
def test_stages_of_ours_say_so_too(spread: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = Runtime(device="cpu", spread=spread)
    stage = {"name": "base", "role": "base", "kind": "gaussian", "size": [8, 8], "out": {"size": [8, 8]}}
    live = Cascade.from_spec(parse({"name": "x", "stages": [stage]}), runtime=runtime)
    live.sample()
    for what, says in ((MISSING["number format"], "has no kernel"), (lambda: _raise(FAILED[0]), "failed")):
        with monkeypatch.context() as patch:
            patch.setattr(type(live.stages["base"]), "run", lambda stage, request, what=what: what())
            with pytest.raises(RunError, match=f"stage 'base': device cpu {says}"):
                live.sample()


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        accelerator("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("GET was unable to find an engine to execute this computation"),
        RuntimeError("Triton Error [CUDA]: out of memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB, max allowed: 9.07 GB)."),
        RuntimeError("level_zero backend failed with error: 39 (UR_RESULT_ERROR_OUT_OF_DEVICE_MEMORY)"),
    ],
    ids=str,
)  # fmt: skip
def test_memory_that_a_library_could_not_have_is_memory(error: Exception) -> None:
    assert ran_out(error), "so that the batch is halved"
    with pytest.raises(type(error)) as found, refusals("base"):
        raise error
    assert found.value is error


@pytest.mark.parametrize(
    "error",
    [
        NotImplementedError("`clip_skip` is not implemented for this pipeline"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"),
        ValueError("`height` must be divisible by 8; CUDA error is no word of ours"),
        TypeError("not implemented for 'str'"),
    ],
    ids=lambda error: str(error)[:16],
)  # fmt: skip
def test_what_a_pipeline_refuses_is_still_the_calls(error: Exception) -> None:
    with pytest.raises(RunError, match=r"the pipeline refuses \(.*Change `call`"), refusals("base"):
        raise error


SICK = """
import torch
from dynaxx.errors import RunError
from dynaxx.stage.pipeline.refused import refusals
try:
    with refusals("base", torch.device("cuda:0")):
        torch.zeros(2, device="cuda")[torch.tensor([7], device="cuda")]
        torch.cuda.synchronize()
except RunError as error:
    print(error)
"""


@pytest.mark.gpu
def test_a_gpu_that_really_failed_is_named() -> None:
    """In a process of its own: a device that failed is of no more use to one."""
    done = subprocess.run([sys.executable, "-c", SICK], capture_output=True, text=True, check=False)
    assert "stage 'base': device cuda:0 failed (CUDA error: device-side assert" in done.stdout
