"""An encoder that a device has no room for encodes there all the same, layer by layer, and is gone after."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tiny_pipelines import saved

from dynaxx.signal.device_memory import held_to
from dynaxx.spec.files import parse
from dynaxx.spec.stage import PipelineStage
from dynaxx.stage.pipeline.text import Rows
from dynaxx.stage.pipeline.wrapped import Wrapped
from dynaxx.stage.weights import tensors_bytes

if TYPE_CHECKING:
    from soft_device.module import Soft

PROMPTS = ["a red apple", "a green pear"]


def stage_of(load: str, root: Path) -> Wrapped:
    saved(load, root)
    stage: dict[str, Any] = {"name": "base", "role": "base", "kind": "pipeline", "load": load}
    spec = parse({"name": "x", "condition": {"text": {}}, "stages": [stage | {"out": {"size": [16, 16]}}]})
    assert isinstance(spec.stages[0], PipelineStage)
    return Wrapped(spec.stages[0], root=root, keeps=True)


def encoded(stage: Wrapped, device: torch.device) -> Rows:
    stage.encode_prompts(device, PROMPTS)
    return stage.held.texts.rows(stage.held.key, PROMPTS)


@pytest.mark.parametrize("load", ["if-1", "sd", "sdxl"])
def test_it_encodes_layer_by_layer(soft_device: Soft, tmp_path: Path, load: str) -> None:
    device, due = torch.device("soft", 0), encoded(stage_of(load, tmp_path), torch.device("cpu"))
    whole = stage_of(load, tmp_path)
    rows = encoded(whole, device)
    peak = soft_device.max_memory_allocated(0)
    assert all(x is y or torch.allclose(x.cpu(), y, atol=1e-5) for x, y in zip(rows, due, strict=True))
    del whole, rows
    gc.collect()

    stage = stage_of(load, tmp_path)
    weights = sum(tensors_bytes(file) for file in (tmp_path / load).glob("text_encoder*/*.safetensors"))
    with held_to(device, peak - weights // 2):
        found = encoded(stage, device)
    assert all(x is y or torch.allclose(x.cpu(), y, atol=1e-5) for x, y in zip(found, due, strict=True))
    kept = sum(x.nbytes for x in found if x is not None)
    del found
    gc.collect()
    assert soft_device.memory_allocated(0) <= kept + len(due) * len(PROMPTS) * 512, "what was encoded, and nothing else"
    assert soft_device.pending() == 0


def test_what_has_no_room_for_a_layer_says_so(soft_device: Soft, tmp_path: Path) -> None:
    stage = stage_of("sd", tmp_path)
    with held_to(torch.device("soft", 0), 2048), pytest.raises(torch.OutOfMemoryError):
        encoded(stage, torch.device("soft", 0))
    gc.collect()
    assert soft_device.memory_allocated(0) == 0
