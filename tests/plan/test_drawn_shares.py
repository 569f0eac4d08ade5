"""Shares of sums: against another solver, in closed form, and on the bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from dynaxx.plan.time.halves import LOOSE, NOISE, Half
from dynaxx.plan.time.shares import drawn_shares


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_shares_are_those_of_another_solver(seed: int, count: int, many: int) -> None:
    """Of times that no shares of 0 or more explain, too."""
    rng = np.random.default_rng(seed)
    sums, took = rng.uniform(0.0, 1.0, (many, count)), rng.uniform(0.1, 2.0, many)
    usual, loose = rng.uniform(0.0, 2.0, count), rng.uniform(0.1, 3.0, count)
    found = drawn_shares(np.column_stack([sums, took]), usual=list(usual), loose=list(loose), noise=0.1)
    parts = np.vstack([sums / took[:, None] / 0.1, np.diag(1 / loose)])
    due, _ = nnls(parts, np.concatenate([np.full(many, 10.0), usual / loose]))
    assert found == pytest.approx(due, rel=1e-6, abs=1e-9)


def test_without_rows_shares_are_the_usual_ones() -> None:
    assert drawn_shares(np.empty((0, 3)), usual=(1.0, 2.0), loose=(0.3, 0.3), noise=0.1) == pytest.approx([1.0, 2.0])


def test_a_call_that_costs_nothing_leaves_the_factor_right() -> None:
    """Networks of many calls are no slower than told: a cost per call below 0 would fit, and 0 is what is left.

    The factor is then that of least squares by itself, not the one beside a cost below 0.
    """
    rows = [(0.01, 20.0, 0.010), (0.01, 400.0, 0.006), (0.02, 900.0, 0.011)]
    half = Half({}).learned(rows)
    assert half.call_s == 0.0
    told = np.array([row[0] / row[2] for row in rows])
    due = (told.sum() / NOISE**2 + 1 / LOOSE[0] ** 2) / ((told**2).sum() / NOISE**2 + 1 / LOOSE[0] ** 2)
    assert half.times == pytest.approx(due)
