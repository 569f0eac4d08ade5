"""A cascade with changed settings as a file of its own, wherever it lies."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import dump
from dynaxx.spec.override import override
from dynaxx.spec.plain import plain
from dynaxx.spec.stage import TRAINABLE, CustomStage, PipelineStage, StageSpec
from dynaxx.stage.build import weights_folder
from dynaxx.store.atomic import write_text

Part = TypeVar("Part", bound=Any)


def write_changed(
    spec: CascadeSpec, changes: Mapping[str, Any], file: Path, *, root: Path | None
) -> tuple[Mapping[str, Any], ...]:
    """Write the cascade with settings changed by path; give each with what it was and is now.

    Raises:
        SpecError: where they cannot be meant.
        RunError: where the file cannot be written.
    """
    write_text(file, changed_text(spec, changes, file, root=root))
    return told(spec, changes)


def changed_text(spec: CascadeSpec, changes: Mapping[str, Any], file: Path, *, root: Path | None) -> str:
    """The text of that file."""
    return dump(placed(override(spec, changes), root, file))


def told(spec: CascadeSpec, changes: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Each change with what the setting was and is now."""
    return tuple({"path": path, "was": _value(spec, path), "now": plain(value)} for path, value in changes.items())


def placed(spec: CascadeSpec, root: Path | None, file: Path) -> CascadeSpec:
    """The spec for a file that lies elsewhere: weights, data, pipelines and codecs are named from there."""
    home, place = (root or Path()).resolve(), file.resolve().parent
    stages = tuple(_stage(stage, home, place) for stage in spec.stages)
    codecs = {name: _renamed(codec, "load", home, place) for name, codec in spec.codecs.items()}
    return spec.model_copy(
        update={"stages": stages, "codecs": codecs, "data": _renamed(spec.data, "path", home, place)}
    )


def _stage(stage: StageSpec, home: Path, place: Path) -> StageSpec:
    changed: dict[str, Any] = {}
    if isinstance(stage, (*TRAINABLE, CustomStage)):
        changed["weights"] = os.path.relpath(weights_folder(stage, home), place)
    for part, name in (("data", "path"), ("network", "load")):
        if getattr(stage, part, None) is not None:
            changed[part] = _renamed(getattr(stage, part), name, home, place)
    if isinstance(stage, PipelineStage):
        changed["adapters"] = tuple(_renamed(adapter, "load", home, place) for adapter in stage.adapters)
        stage = _renamed(stage, "load", home, place)
    return stage.model_copy(update=changed)


def _renamed(part: Part, name: str, home: Path, place: Path) -> Part:
    """A part of the spec with a path of that name, if it has one, beginning at `place`; ids of a hub stay."""
    path = getattr(part, name, None)
    if part is None or path is None or not (there := home / Path(path).expanduser()).exists():
        return part
    return part.model_copy(update={name: os.path.relpath(there, place)})


def _value(spec: CascadeSpec, path: str) -> Any:
    """What the spec says at a path that begins with a stage."""
    name, *keys = path.split(".")
    here: Any = next(stage for stage in spec.stages if stage.name == name).model_dump(by_alias=True)
    for key in keys:
        here = here.get(key) if isinstance(here, dict) else None
    return here
