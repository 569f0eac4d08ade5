"""The JSON schema of cascade files, for editors: it takes the short forms that the reader takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dynaxx.spec.base import NAME_PATTERN, Spec, sections
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.network import UNetSpec
from dynaxx.spec.process import CosineProcess
from dynaxx.spec.stage import SHORT, BaseStage, DiffusionStage

KIND_IS_DEFAULT = {model.__name__ for model in (DiffusionStage, CosineProcess, UNetSpec)}
"""The members of their unions that a mapping without `kind` stands for; all others must say it."""
EDGE = {"$ref": "#/$defs/EdgeSpec"}


def json_schema() -> dict[str, Any]:
    """The JSON schema of cascade files."""
    schema = CascadeSpec.model_json_schema(by_alias=True)
    parts = schema["$defs"]
    for model in _below(Spec):
        if part := schema if model is CascadeSpec else parts.get(model.__name__):
            _let_sections_be_empty(part, sections(model))
            if issubclass(model, BaseStage):
                _let_edges_be_short(part["properties"], parts["EdgeSpec"]["properties"])
    for part in _parts(schema):
        if "patternProperties" in part:
            part["additionalProperties"] = False
    for name in _members(schema):
        if name not in KIND_IS_DEFAULT and "kind" not in parts[name].get("required", []):
            parts[name]["required"] = ["kind", *parts[name].get("required", [])]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _below(model: type[Spec]) -> Iterator[type[Spec]]:
    for inner in model.__subclasses__():
        yield from (inner, *_below(inner))


def _let_sections_be_empty(part: dict[str, Any], keys: frozenset[str]) -> None:
    for key in sorted(keys):
        part["properties"][key] = {"anyOf": [part["properties"][key], {"type": "null"}]}


def _let_edges_be_short(stage: dict[str, Any], edge: dict[str, Any]) -> None:
    """`from` and `merge` on the stage itself, and an input that is a name alone."""
    inputs = stage["inputs"]["anyOf"][0]
    inputs["patternProperties"] = {NAME_PATTERN: {"anyOf": [EDGE, {"type": "string"}]}}
    stage |= {key: edge[key] for key in SHORT}


def _members(schema: dict[str, Any]) -> list[str]:
    """The names of all models that stand in a union told apart by `kind`."""
    refs = [choice.get("$ref", "") for part in _parts(schema) for choice in part.get("oneOf", [])]
    return [ref.removeprefix("#/$defs/") for ref in refs if ref]


def _parts(part: Any) -> Iterator[dict[str, Any]]:
    """All mappings in a schema, itself among them."""
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _parts(inner)
