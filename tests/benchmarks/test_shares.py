"""A share over beds: Wilson's interval where hits are independent, a wider one that covers where beds are alike."""

from __future__ import annotations

import pytest
import torch
from shares import clustered, wilson

from dynaxx.metrics.interval import CONFIDENCE
from dynaxx.metrics.student import t_quantile


def test_wilson_is_the_published_interval() -> None:
    assert wilson(0.4, 100) == (pytest.approx(0.3094, abs=1e-4), pytest.approx(0.4980, abs=1e-4))
    assert wilson(0.0, 20) == (0.0, pytest.approx(0.1611, abs=1e-4))
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_of_one_bed_or_all_alike_every_bed_counts_once() -> None:
    assert clustered([("a", True)] * 4 + [("a", False)] * 6) == (0.4, *wilson(0.4, 1), 10)
    assert clustered([("a", False), ("b", False)] * 10) == (0.0, *wilson(0.0, 2), 20)
    assert clustered([]) == (0.0, 0.0, 1.0, 0)


def test_beds_that_hit_or_miss_as_one_count_once() -> None:
    alike = [(f"bed {i}", i % 2 == 0) for i in range(10) for _ in range(7)]
    effect = 10 / 9 * 7  # as if each bed were one trial, with the sample's variance over m - 1
    told = 70 / effect * (1.959964 / t_quantile(CONFIDENCE, 9)) ** 2
    assert clustered(alike) == (0.5, *(pytest.approx(end, abs=1e-6) for end in wilson(0.5, told)), 70)


def test_intervals_cover_where_beds_differ() -> None:
    draws, covered, plain = torch.Generator().manual_seed(3), 0, 0
    for _ in range(2000):
        chances = 0.5 + 0.5 * torch.rand(12, generator=draws)  # a mean of 0.75
        hits = torch.rand(12, 20, generator=draws) < chances[:, None]
        share, low, high, n = clustered((str(i), bool(hit)) for i, row in enumerate(hits) for hit in row)
        covered += low <= 0.75 <= high
        low, high = wilson(share, n)
        plain += low <= 0.75 <= high
    assert 0.93 < covered / 2000 < 0.98
    assert plain / 2000 < 0.88
