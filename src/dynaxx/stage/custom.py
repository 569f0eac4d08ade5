"""A user's own stage: a class by import path, built from its spec and the grid it answers on."""

from __future__ import annotations

import importlib
from pathlib import Path

from dynaxx.errors import SpecError
from dynaxx.spec.grid import Grid
from dynaxx.spec.stage import CustomStage
from dynaxx.stage.stage import LoadsWeights, Stage


def make_custom(spec: CustomStage, grid: Grid, folder: Path | None = None) -> Stage:
    """Import `package.module:Class` and build it as `Class(spec, grid)`; `spec.options` are the user's own settings.

    If it can `load`, and `folder` is there, it takes up what it saved in it.

    Raises:
        SpecError: if it cannot be imported or built, or is no stage (`run(request)` and `to(device)`).
    """
    where = f"stage {spec.name!r}, target"
    stage = _build(_find(where, spec.target), where, spec, grid)
    if not isinstance(stage, Stage):
        missing = [name for name in ("run", "to") if not callable(getattr(stage, name, None))]
        problem = f"{spec.target} is no stage: it has no {' and no '.join(missing)}."
        raise SpecError(where, problem, "Define run(request) -> Tensor and to(device).")
    if isinstance(stage, LoadsWeights) and folder is not None and folder.is_dir():
        stage.load(folder)
    return stage


def _find(where: str, target: str) -> object:
    module, _, name = target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except ImportError as error:
        fix = "Install it, or put its folder on PYTHONPATH."
        raise SpecError(where, f"cannot import {module!r} ({error}).", fix) from error
    except AttributeError as error:
        raise SpecError(where, f"{module!r} has no {name!r}.", "Name a class in that module.") from error


def _build(found: object, where: str, spec: CustomStage, grid: Grid) -> object:
    if not callable(found):
        raise SpecError(where, f"{spec.target} is no class.", "Name a class.")
    try:
        return found(spec, grid)
    except Exception as error:  # a stranger's constructor may raise anything: say whose it was
        fix = "Its constructor takes (spec, grid); mend it, or its options."
        raise SpecError(where, f"{spec.target} cannot be built ({type(error).__name__}: {error}).", fix) from error
