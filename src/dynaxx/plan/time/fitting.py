"""What a machine's networks took, and what their operations come to: the shares between the two, and what is left."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from dynaxx.metrics.student import t_quantile
from dynaxx.plan.time.clock import Fit, Sums
from dynaxx.plan.time.interval import LEAST_SPREAD, Z90
from dynaxx.plan.time.residual import DRIFT, FEW_NETWORKS, Residual, coordinates
from dynaxx.plan.time.shares import drawn_shares
from dynaxx.plan.time.smooth import Numbers

USUAL = {"sample": Fit(), "train": Fit(weight_s=3e-9)}
"""What shares usually are: where networks say nothing else, they stay so. Of a few server CPUs."""
LOOSE = (0.3, 0.3, 0.3, 1.0, 8e-6, 3e-9)
"""How far shares may be from what they usually are."""
NOISE = 0.07
"""What is left of a network's time when all shares are right, relative."""
Row = tuple[float, ...]
"""Of a network: its sums, and the seconds it really took."""


class Timed(NamedTuple):
    """One network: the sums of its operations, the seconds it took, and how it was run."""

    sums: Sums
    took_s: float
    batch: int
    size: tuple[int, ...]


def fit_of(timed: Sequence[Timed], usual: Fit, drift: float) -> Fit:
    """The shares, and what they leave where there are networks enough."""
    if len(timed) < 2:
        return usual
    fit = fitted([(*one.sums, one.took_s) for one in timed], usual)
    return fit if len(timed) < FEW_NETWORKS else with_residual(fit, timed, drift)


def with_residual(fit: Fit, timed: Sequence[Timed], drift: float = DRIFT) -> Fit:
    """A fit that knows what it gets wrong of each network."""
    points = [coordinates(one.sums, fit.shares, one.batch, one.size) for one in timed]
    rests = [math.log(one.took_s / max(fit.seconds(one.sums), 1e-9)) for one in timed]
    return replace(fit, residual=Residual.of(points, rests, fit.spread, drift))


def fitted(rows: Sequence[Row], usual: Fit = USUAL["sample"]) -> Fit:
    """The shares that bring the sums closest to what networks took, and not far from the usual ones (`drawn_shares`).

    The spread is what leaving one network out gets wrong, widened for how few they are (Student's t).
    """
    table = np.array(rows, dtype=np.float64)
    left = []
    for i in range(len(table)):
        others = np.delete(table, i, axis=0)
        left.append(math.log(float(table[i, -1] / max(table[i, :-1] @ _shares(others, usual), 1e-9))))
    few = t_quantile(0.90, len(left) - 1) / Z90
    spread = few * float(np.sqrt(np.mean(np.square(left)) * (1 + 1 / len(left))))
    conv, alone, attention, moving, call_s, weight_s = (float(share) for share in _shares(table, usual))
    return Fit(conv, alone, attention, moving, call_s, weight_s, max(spread, LEAST_SPREAD))


def _shares(table: Numbers, usual: Fit) -> Numbers:
    return drawn_shares(table, usual=usual.shares, loose=LOOSE, noise=NOISE)
