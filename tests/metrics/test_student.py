"""Student's t against scipy's."""

from __future__ import annotations

import pytest
from scipy import stats

from dynaxx.metrics.student import t_quantile, t_within


@pytest.mark.parametrize("df", [1, 2, 3, 4, 5, 10, 31, 63, 127, 500])
def test_the_distribution_is_scipys(df: int) -> None:
    for t in (0.0, 0.1, 1.0, 1.96, 4.0, 30.0):
        assert t_within(t, df) == pytest.approx(1 - 2 * stats.t.sf(t, df), abs=1e-12)


@pytest.mark.parametrize("df", [1, 2, 3, 9, 63, 1999, 2000, 100_000])
def test_quantiles_are_scipys(df: int) -> None:
    for confidence in (0.5, 0.9, 0.95, 0.999):
        assert t_quantile(confidence, df) == pytest.approx(stats.t.ppf(0.5 + confidence / 2, df), rel=1e-8)
