"""The user's own inputs of a cascade, when it is looked at: the reference's signals stand in where they can."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.lens.reference import Reference
from dynaxx.signal.resample import resample
from dynaxx.spec.cascade import CascadeSpec


def stand_ins(spec: CascadeSpec, reference: Reference | None) -> Mapping[str, Tensor]:
    """`input.NAME` by name: the true signals on its grid, where it has as many channels as they.

    Raises:
        UsageError: where an input is something else, or there is no reference.
    """
    found: dict[str, Tensor] = {}
    for name, due in spec.inputs.items():
        finest = None if reference is None else max(reference.grids.values(), key=Tensor.numel)
        if finest is None or finest.shape[1] != due.channels:
            fix = "Give it in Python: look(..., given={'input." + name + "': x})."
            raise UsageError(f"input {name!r}", "is not made of the reference's signals.", fix)
        size = tuple(due.size)
        found[f"input.{name}"] = finest if tuple(finest.shape[2:]) == size else resample(finest, size, "area")
    return found
