"""The user's own inputs of a cascade, when it is looked at: given, or true signals stand in where they can."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from dynaxx.engine.select import in_turns
from dynaxx.errors import UsageError
from dynaxx.lens.reference import Reference
from dynaxx.signal.resample import resample
from dynaxx.spec.cascade import CascadeSpec

FIX = "Give it: --input {name}=FILE (in Python: look(..., given={{'input.{name}': x}}))."


def stand_ins(
    spec: CascadeSpec,
    reference: Reference | None,
    given: Mapping[str, Tensor] | None = None,
    *,
    count: int | None = None,
    fix: str = FIX,
) -> Mapping[str, Tensor]:
    """`input.NAME` by name: as `given`, else the true signals on its grid, where it has as many channels as they.

    What is given comes in turns, until there are `count`, or as many as signals of the reference. `fix` is the way out
    that an error names.

    Raises:
        UsageError: where an input is something else, or there is no reference.
    """
    total = count if count is not None else len(reference or ())
    found = {name: in_turns(x, total) for name, x in (given or {}).items()}
    for name, due in spec.inputs.items():
        if f"input.{name}" in found:
            continue
        finest = None if reference is None else max(reference.grids.values(), key=Tensor.numel)
        if finest is None or finest.shape[1] != due.channels:
            raise UsageError(f"input {name!r}", "is not made of the reference's signals.", fix.format(name=name))
        size = tuple(due.size)
        found[f"input.{name}"] = finest if tuple(finest.shape[2:]) == size else resample(finest, size, "area")
    return found
