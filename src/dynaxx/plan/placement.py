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
    """A placement, the stages that are streamed block by block since they alone are larger than the cap, and those
    that stay where they are since there is room for them beside the largest of the others.
    """

    placement: Placement
    streamed: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()


def choose(weights: Mapping[str, int | None], cap_bytes: int | None, wanted: Wanted = "auto") -> Residence:
    """Hold all stages where their weights take at most 80% of the cap, else one at a time; larger ones are streamed.

    Who asks for one at a time gets that: stages are kept beside others only where the numbers chose. `weights` are
    bytes by stage; None where nobody knows, which counts as more than fits beside others.
    """
    limit = None if cap_bytes is None else cap_bytes * SHARE_FOR_WEIGHTS
    known = [size for size in weights.values() if size is not None]
    fits = limit is None or (len(known) == len(weights) and sum(known) <= limit)
    placement: Placement = wanted if wanted != "auto" else "resident" if fits else "one-at-a-time"
    large = {name for name, size in weights.items() if size is not None and limit is not None and size > limit}
    if wanted != "auto" or placement == "resident" or limit is None:
        return Residence(placement, frozenset(large))
    return Residence(placement, frozenset(large), _kept(weights, limit))


def _kept(weights: Mapping[str, int | None], limit: float) -> frozenset[str]:
    """The smallest stages, as many as fit beside the largest of the rest; none where a size is not known."""
    sizes = {name: size for name, size in weights.items() if size is not None}
    order = sorted(sizes, key=lambda name: sizes[name])
    if len(sizes) < len(weights) or not order:
        return frozenset()
    count = max(n for n in range(len(order)) if n == 0 or sum(sizes[x] for x in order[:n]) + sizes[order[-1]] <= limit)
    return frozenset(order[:count])
