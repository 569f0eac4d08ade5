"""A spec as plain data that says no more than needed: the one form behind YAML and identities."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

ALWAYS = ("version", "kind")
"""Keys that are written even at their default: they say how to read the rest."""

HEAD = {key: rank for rank, key in enumerate(("version", "name", "role", "kind"))}
"""Keys that come first, in this order; the others follow as the docs have them."""


def plain(value: Any) -> Any:
    """The value as dicts, lists and scalars; fields at their default are left out, `kind` never is."""
    if isinstance(value, BaseModel):
        return _model(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value


def _model(spec: BaseModel) -> dict[str, Any]:
    fields = type(spec).model_fields
    values = {name: getattr(spec, name) for name in fields}
    return {
        fields[name].alias or name: plain(value)
        for name, value in sorted(values.items(), key=lambda item: HEAD.get(item[0], len(HEAD)))
        if name in ALWAYS or fields[name].is_required() or value != fields[name].get_default(call_default_factory=True)
    }
