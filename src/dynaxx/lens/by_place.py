"""Explanations by a place: a part of the grid that is wrong while the rest is right."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from dynaxx.lens.misfit import beyond_chance
from dynaxx.lens.suspect import MOST_AREA, Explanation, Suspect, astray, scored


def places(suspect: Suspect) -> Iterator[Explanation]:
    """A part of the grid that is wrong while the rest is right."""
    pair, material = suspect.pair, 1.0
    if astray(pair) and pair.shrunk is not None and pair.low is not None:
        wrong = ((pair.shrunk - pair.low).double().square().mean(dim=(0, 1)) - pair.excused).clamp_min(0)
    else:
        means = [signals.double().mean(0) for signals in (pair.x, pair.truth)]
        spreads = [signals.double().std(0) for signals in (pair.x, pair.truth)]
        chance = 3 * spreads[1].square() / len(pair.x)  # what two sets of one kind differ by
        wrong = ((means[0] - means[1]).square() + (spreads[0] - spreads[1]).square() - chance).mean(0).clamp_min(0)
        material = min(1.0, float(wrong.mean()) / max(beyond_chance(pair), 1e-12))
    share, area = concentrated(wrong)
    if area <= MOST_AREA:
        says = f"{100 * area:.0f}% of the grid is wrong"
        yield scored("missing-patch", says, material * (share - area) / (1 - area), 1)


def concentrated(wrong: Tensor) -> tuple[float, float]:
    """The share of a map `(*size)` that lies in the smallest box around its worst sites, and the box's area."""
    total, best = float(wrong.sum()), (0.0, 1.0)
    if total <= 0:
        return best
    for level in (0.1, 0.25, 0.5):
        worst = (wrong > level * wrong.max()).nonzero()
        low, high = worst.min(0).values, worst.max(0).values + 1
        box = wrong[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
        share, area = float(box.sum()) / total, box.numel() / wrong.numel()
        if share - area > best[0] - best[1]:
            best = (share, area)
    return best
