"""How much of each of several sums makes up the times that were taken: shares of 0 or more, near usual ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from dynaxx.plan.time.smooth import Numbers


def drawn_shares(rows: Numbers, *, usual: Sequence[float], loose: Sequence[float], noise: float) -> Numbers:
    """Least squares of `1 = sums @ shares / seconds` over shares of 0 or more, each drawn to its usual value, `(n,)`.

    `rows` are `(m, n + 1)`, sums and then seconds; `noise` is what is left of 1 when all shares are right, `loose` how
    far each may be from `usual`. What few rows cannot tell apart stays near what it usually is.
    """
    held, reins = np.array(usual), np.array(loose)
    parts = np.vstack([rows[:, :-1] / rows[:, -1:] / noise, np.diag(1 / reins)])
    wanted = np.concatenate([np.full(len(rows), 1 / noise), held / reins])
    best, least = held, math.inf
    for chosen in _subsets(len(held)):
        found = np.linalg.lstsq(parts[:, chosen], wanted, rcond=None)[0]
        error = float(np.square(parts[:, chosen] @ found - wanted).sum())
        if (found >= 0).all() and error < least:
            best, least = np.zeros(len(held)), error
            best[chosen] = found
            if len(chosen) == len(held):
                break  # no bound holds
    return best


def _subsets(count: int) -> Iterator[list[int]]:
    """Which shares are not 0: all of them first."""
    return (list(some) for n in range(count, 0, -1) for some in combinations(range(count), n))
