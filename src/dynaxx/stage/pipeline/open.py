"""Opens a diffusers pipeline by folder or hub id: its class, parts left out, scheduler, number format, adapters."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.torch_version import TorchVersion

from dynaxx.errors import MissingExtraError, RunError, SpecError
from dynaxx.spec.facts import INDEX, folder_of
from dynaxx.spec.problem import did_you_mean
from dynaxx.spec.stage import AdapterSpec, PipelineStage
from dynaxx.stage.absent import reason_of, refuse_absent, ways_out
from dynaxx.stage.pipeline.cache import keep_answers
from dynaxx.stage.pipeline.calm import calm_diffusers, without_bars

WAYS = ("Name a folder that diffusers wrote (`load`), with safetensors",)
RENAMED = TorchVersion("0.42.1")
"""From this diffusers on `torch_dtype` is warned of."""


def open_pipeline(
    spec: PipelineStage, root: Path | None, *, have: Mapping[str, Any] | None = None, allow_download: bool = False
) -> Any:
    """The pipeline that a stage names, on the CPU, its weights mapped and not yet read.

    `have` holds parts that are opened already, and None for parts that are left out.

    Raises:
        SpecError: if diffusers has no such pipeline or scheduler.
        RunError: if the folder is missing or damaged, or is not on this machine and may not be downloaded.
        MissingExtraError: if adapters are asked for, and peft is not installed.
    """
    where = f"stage {spec.name!r}"
    refuse_absent(where, spec.load, root, WAYS, allow_download=allow_download)
    found = pipeline_class(_own_class(spec, root), spec)
    given = {**_left_out(spec, found, root), **(have or {}), _number_format(): dtype_of(spec)}
    try:
        with nullcontext() if allow_download else without_bars():
            pipe = found.from_pretrained(
                place_of(spec.load, root), variant=spec.variant, use_safetensors=True,
                local_files_only=not allow_download, **given,
            )  # fmt: skip
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        fix = ways_out(WAYS, spec.load, root, allow_download=allow_download)
        raise RunError(where, f"{spec.load!r} cannot be opened ({reason_of(error)}).", fix) from error
    if spec.scheduler:
        pipe.scheduler = _scheduler(spec, pipe.scheduler, f"{where}, scheduler")
    if spec.adapters:
        _adapt(pipe, spec, root, where)
    keep_answers(pipe, spec)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _left_out(spec: PipelineStage, found: Any, root: Path | None) -> dict[str, None]:
    """The parts that a folder says it has not, where another class than its own may insist on them."""
    folder = folder_of(spec.load, root) if spec.pipeline else None
    if folder is None or not (folder / INDEX).is_file():
        return {}
    takes, index = inspect.signature(found.__init__).parameters, json.loads((folder / INDEX).read_text("utf-8"))
    return {name: None for name, part in index.items() if part == [None, None] and name in takes}


def _number_format() -> str:
    """What diffusers calls the number format of weights: by its later name where it knows that one."""
    import diffusers

    return "dtype" if TorchVersion(diffusers.__version__) >= RENAMED else "torch_dtype"


def place_of(load: str, root: Path | None) -> str:
    """A folder beside the cascade file where there is one, else the id as it is."""
    beside = (root or Path()) / load
    return str(beside) if beside.exists() else load


def class_name(spec: PipelineStage, folder: Path | None) -> str:
    """The class of a pipeline: the one that the stage names, else its folder's own; empty where neither is known."""
    index = None if folder is None else folder / INDEX
    if spec.pipeline or index is None or not index.is_file():
        return spec.pipeline or ""
    return str(json.loads(index.read_text("utf-8")).get("_class_name", ""))


def _own_class(spec: PipelineStage, root: Path | None) -> str:
    """The class to open with: diffusers' one for all opens parts that were left out, where they are optional."""
    diffusers = calm_diffusers()
    try:
        name = class_name(spec, folder_of(spec.load, root))
    except ValueError:  # of a damaged index, which the opening itself tells best
        name = ""
    return name if spec.pipeline or hasattr(diffusers, name) else "DiffusionPipeline"


def dtype_of(spec: PipelineStage) -> torch.dtype:
    """The number format that a stage's weights are held in."""
    found = getattr(torch, spec.dtype)
    assert isinstance(found, torch.dtype)
    return found


def pipeline_class(name: str, spec: PipelineStage) -> Any:
    """A class of diffusers pipelines by name.

    Raises:
        SpecError: if diffusers has none of that name.
    """
    diffusers, where = calm_diffusers(), f"stage {spec.name!r}, pipeline"
    found = getattr(diffusers, name, None)
    if not isinstance(found, type) or not issubclass(found, diffusers.DiffusionPipeline):
        near = did_you_mean(name, [known for known in dir(diffusers) if known.endswith("Pipeline")])
        raise SpecError(where, f"diffusers has no pipeline {name!r}.", f"{near}Leave it out to use the folder's own.")
    return found


def _scheduler(spec: PipelineStage, have: Any, where: str) -> Any:
    import diffusers

    settings = dict(spec.scheduler)
    name = str(settings.pop("kind", type(have).__name__))
    found = getattr(diffusers, name, None)
    if not isinstance(found, type) or not issubclass(found, diffusers.SchedulerMixin):
        near = did_you_mean(name, [known for known in dir(diffusers) if known.endswith("Scheduler")])
        raise SpecError(where, f"diffusers has no scheduler {name!r}.", f"{near}Leave it out to use the folder's own.")
    made: Any = found
    return made.from_config(have.config, **settings)


def _adapt(pipe: Any, spec: PipelineStage, root: Path | None, where: str) -> None:
    """Load every adapter under a name of its own, and set how strongly each counts."""
    names = [f"adapter-{number}" for number in range(len(spec.adapters))]
    for name, adapter in zip(names, spec.adapters, strict=True):
        _load_adapter(pipe, adapter, root, name, where)
    if len(spec.adapters) > 1 or spec.adapters[0].weight != 1:
        pipe.set_adapters(names, [adapter.weight for adapter in spec.adapters])


def _load_adapter(pipe: Any, adapter: AdapterSpec, root: Path | None, name: str, where: str) -> None:
    only_second = getattr(pipe, "transformer", None) is None and getattr(pipe, "transformer_2", None) is not None
    second = {"load_into_transformer_2": True} if only_second else {}  # both of Wan's experts need the adapter
    try:
        pipe.load_lora_weights(
            place_of(adapter.load, root), weight_name=adapter.file, adapter_name=name, local_files_only=True, **second
        )
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError) as error:
        if "PEFT" in str(error):
            fix = "Install it with `pip install 'dynaxx[adapters]'`, or remove `adapters`."
            raise MissingExtraError(f"{where}, adapters", "adapters need peft.", fix) from error
        fix = "Name a folder with a LoRA for this pipeline, and the `file` in it."
        raise RunError(where, f"adapter {adapter.load!r} cannot be used ({reason_of(error)}).", fix) from error
