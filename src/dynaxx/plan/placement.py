"""Where a cascade's weights lie while it runs: all at once, one stage at a time, or streamed; chosen by the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, final

from dynaxx.plan.events import Placement

Wanted = Literal["auto", "resident", "one-at-a-time"]
SHARE_FOR_WEIGHTS = 0.8
"""Of a memory cap; the rest is for signals and the networks' workings."""


@final
@dataclass(frozen=True)
class Residence:
    """A placement, and the stages that are streamed block by block since they alone are larger than the cap."""

    placement: Placement
    streamed: frozenset[str] = frozenset()


def choose(weights: Mapping[str, int | None], cap_bytes: int | None, wanted: Wanted = "auto") -> Residence:
    """Hold all stages where their weights take at most 80% of the cap, else one at a time; larger ones are streamed.

    `weights` are bytes by stage; None where nobody knows, which counts as more than fits beside others.
    """
    limit = None if cap_bytes is None else cap_bytes * SHARE_FOR_WEIGHTS
    known = [size for size in weights.values() if size is not None]
    fits = limit is None or (len(known) == len(weights) and sum(known) <= limit)
    placement: Placement = wanted if wanted != "auto" else "resident" if fits else "one-at-a-time"
    large = {name for name, size in weights.items() if size is not None and limit is not None and size > limit}
    return Residence(placement, frozenset(large))
