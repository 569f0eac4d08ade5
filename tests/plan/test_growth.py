"""Formulas read off a number in which batch and axes are primes."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dynaxx.plan.growth import AXES, BATCH, ROUNDED, Scale, added, evaluate

SCALE = Scale(2, 4)
count = st.integers(1, BATCH - 1)


@given(count, count, count)
def test_a_signal_and_its_text_are_told_apart(channels: int, tokens: int, batch: int) -> None:
    height, width = SCALE.size
    signal = SCALE.terms(BATCH * channels * height * width)
    text = SCALE.terms(BATCH * tokens)
    units = SCALE.units(batch, (8, 12))
    assert evaluate(signal, units) == batch * channels * 8 * 12
    assert evaluate(added(signal, text), units) == batch * channels * 8 * 12 + batch * tokens


@given(count, st.integers(1, 512))
@example(1, 31)  # sites and tokens together happen to be a multiple of the batch
def test_text_behind_the_sites_is_split_off(channels: int, tokens: int) -> None:
    height, width = SCALE.size
    keys = SCALE.terms(BATCH * (height * width + tokens) * channels)
    assert evaluate(keys, SCALE.units(3, (16, 16))) == 3 * (256 + tokens) * channels


def test_weights_stay_weights_and_scores_are_squared() -> None:
    sites = AXES[2][0] * AXES[2][1]
    assert SCALE.terms(1280 * 1280 * 9 * 4) == (((0, 0, 0), 1280 * 1280 * 9 * 4),)
    assert SCALE.terms(BATCH * 8 * sites**2) == (((1, 2, 2), 8),)


@pytest.mark.parametrize("rank", AXES)
@given(weights=st.integers(1, 2**33))
def test_no_weights_are_so_large_that_they_are_taken_for_sites(rank: int, weights: int) -> None:
    scale = Scale(rank, 2)
    assume(all(weights % prime for prime in scale.primes) and weights % prod(AXES[rank]) > ROUNDED)
    assert scale.terms(weights) == (((0,) * (rank + 1), weights),)


def test_a_known_size_leaves_only_the_batch_open() -> None:
    scale = Scale(2, 1, fixed=(5, 7))
    assert scale.size == (5, 7)
    assert evaluate(scale.terms(BATCH * 3 * 35), scale.units(4, (5, 7))) == 4 * 3 * 35
    assert scale.covers((5, 7))
    assert not scale.covers((10, 14))
    assert not SCALE.covers((6, 8))
