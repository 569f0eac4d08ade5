"""The parent of every spec: frozen, closed to unknown keys, readable by people and machines."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Std = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A noise level `std = sigma / alpha`, relative to the unscaled signal."""
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A share in [0, 1]."""
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)]
"""A name that is also a folder, a key and a part of a path: `base`, `bridge-2`."""


class Spec(BaseModel):
    """A piece of a cascade file: immutable, and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False, defer_build=True)
