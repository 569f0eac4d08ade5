"""The blocks of scores that attention holds on a CPU for a moment: they grow by steps, and so by no polynomial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from dynaxx.plan.growth import Scale, Terms, evaluate

aten = torch.ops.aten
ATTENTION = {
    aten._scaled_dot_product_flash_attention_for_cpu.default: (0, 1),
    aten._scaled_dot_product_flash_attention_for_cpu_backward.default: (1, 2),
}
"""Where the query stands among the arguments, and how many blocks of scores are held."""
COLUMNS = 512
"""Of a block, at most."""


class Scores(NamedTuple):
    """One block for every thread, or several: `each` bytes for each of its scores, by the rows of queries and keys."""

    rows: Terms
    keys: Terms
    each: int

    def bytes_at(self, units: Sequence[float]) -> float:
        """What is held at a batch and a size: 32 to 256 rows of at most 512 columns."""
        rows = evaluate(self.rows, units)
        at_once = 256 if rows >= 768 else 64 if rows >= 192 else 32
        return self.each * at_once * min(COLUMNS, evaluate(self.keys, units))


def scores_of(func: Any, args: Sequence[Any], scale: Scale) -> Scores | None:
    """The scores that an operation holds; None for all but attention."""
    if func not in ATTENTION:
        return None
    place, blocks = ATTENTION[func]
    query, key = args[place], args[place + 1]
    each = blocks * torch.get_num_threads() * query.itemsize
    return Scores(scale.terms(query.shape[-2]), scale.terms(key.shape[-2]), each)
