"""Which parts of its low input a stage looks at: parts are overwritten, and where nothing changes it is blind."""

from __future__ import annotations

from itertools import product

import torch
from torch import Tensor

from dynaxx.lens.bench import Bench
from dynaxx.spec.graph import Node

QUARTERS = 4
EACH = 2
"""Samples that every box is tried on, at the least."""
DEAF = 0.02
"""Below this share of the median change a part does not count."""


def blind(bench: Bench, node: Node, answers: Tensor) -> float | str | None:
    """The share of the low grid that the stage does not look at; None where all or nothing seems to matter.

    Where nothing was found and there are too few samples for all boxes, what was not tried and why.

    Sample i has one box of the grid replaced by its negative, boxes of a quarter and of half an axis by turns; its
    answer is held against `answers`, the one to the untouched input.
    """
    few = len(answers)
    low, untried = bench.low_of(node)[:few], list[str]()
    for width in (1, 2):
        boxes = _boxes(tuple(low.shape[2:]), width)
        if len(boxes) * EACH > few:
            untried.append(f"parts of {width} of {QUARTERS} along each axis ({len(boxes) * EACH} samples are needed)")
            continue
        changed = low.clone()
        for i in range(few):
            part = changed[i][(slice(None), *boxes[i % len(boxes)])]
            part.mul_(-1).add_(0.5)
        moved = (bench.on(node, changed, rows=few) - answers).double().square().flatten(1).mean(1)
        by_box = torch.stack([moved[j :: len(boxes)].mean() for j in range(min(len(boxes), few))])
        deaf = by_box <= DEAF * by_box.median()
        if by_box.median() > 0 and deaf.any():
            return float(deaf.double().mean())
    return f"whether it looks at {' and '.join(untried)} was not tried" if untried else None


def _boxes(size: tuple[int, ...], width: int) -> list[tuple[slice, ...]]:
    """All boxes of `width` quarters an axis, at every quarter."""
    starts = range(QUARTERS - width + 1)
    at = [[(start * n // QUARTERS, (start + width) * n // QUARTERS) for start in starts] for n in size]
    held = [[ends for ends in dict.fromkeys(axis) if ends[0] < ends[1]] for axis in at]  # short axes have fewer
    return [tuple(slice(*ends) for ends in box) for box in product(*held)]
