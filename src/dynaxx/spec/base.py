"""The parent of every spec: frozen, closed to unknown keys, readable by people and machines."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, model_validator

NAME_PATTERN = r"^[a-z][a-z0-9_-]*$"

NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Std = NonNegative
"""A noise level `std = sigma / alpha`, relative to the unscaled signal."""
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A share in [0, 1]."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Sizes = Annotated[tuple[Count, ...], Field(min_length=1, max_length=3)]
"""A number of sites per axis: `l`, `h w` or `t h w`."""
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=64)]
"""A name that is also a folder, a key and a part of a path: `base`, `bridge-2`."""


class Spec(BaseModel):
    """A piece of a cascade file: immutable; unknown keys are refused, empty sections are as if left out."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, data: Any) -> Any:
        """`inputs:` with nothing after it is what is left of a section when its lines are commented out."""
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None or key not in sections(cls)}


@cache
def sections(model: type[Spec]) -> frozenset[str]:
    """The keys of a model that hold a mapping and may be left out."""
    fields = model.model_fields.items()
    defaults = {name: field.get_default(call_default_factory=True) for name, field in fields}
    return frozenset(name for name, value in defaults.items() if isinstance(value, (dict, Spec)))


def kind_or(default: str) -> Discriminator:
    """Tells the members of a union apart by `kind`, which is `default` where a mapping has none."""

    def kind_of(data: Any) -> Any:
        kind = data.get("kind", default) if isinstance(data, dict) else getattr(data, "kind", None)
        return kind if kind is None or isinstance(kind, str) else repr(kind)

    return Discriminator(kind_of)
