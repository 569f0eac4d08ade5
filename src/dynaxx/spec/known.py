"""Which keys and kinds are known at a place of the cascade file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel

from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.stage import SHORT, BaseStage


def models_at(loc: Sequence[str | int]) -> list[type[BaseModel]]:
    """The models that may stand at a place; where several may, a part of the place that is a kind picks one."""
    here: list[type[BaseModel]] = [CascadeSpec]
    for part in loc:
        picked = [model for model in here if part in (model.__name__, kind_of(model))] if len(here) > 1 else []
        steps = [model.model_fields[name].annotation for model in here for name in _named(model, part)]
        here = picked or [model for step in steps for model in _models(step)] or ([] if steps else here)
    return list(dict.fromkeys(here))


def known_keys(loc: Sequence[str | int]) -> list[str]:
    """The keys that are known at a place."""
    return list(dict.fromkeys(key for model in models_at(loc) for key in keys_of(model)))


def keys_of(model: type[BaseModel]) -> list[str]:
    """A model's keys as they are written in a file."""
    keys = [field.alias or name for name, field in model.model_fields.items()]
    return [*keys, *SHORT] if issubclass(model, BaseStage) else keys


def kind_of(model: type[BaseModel]) -> Any:
    """The `kind` that a model is told by; None where it has none."""
    return model.model_fields["kind"].default if "kind" in model.model_fields else None


def kinds_at(loc: Sequence[str | int]) -> list[str]:
    """The kinds that are known at a place where several models may stand."""
    return [kind_of(model) for model in models_at(loc)]


def types_at(loc: Sequence[str | int], key: str) -> list[Any]:
    """The types that a key may hold at a place, one per model that has it."""
    return [model.model_fields[name].annotation for model in models_at(loc) for name in _named(model, key)]


def _named(model: type[BaseModel], part: str | int) -> list[str]:
    return [name for name, field in model.model_fields.items() if part == (field.alias or name)]


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in get_args(annotation) for model in _models(inner)]
