"""Which placement the numbers ask for."""

from __future__ import annotations

import pytest

from dynaxx.plan.placement import Residence, choose

WEIGHTS = {"base": 300, "up": 500, "last": 100}


@pytest.mark.parametrize(
    ("cap", "placement", "streamed", "kept"),
    [
        (None, "resident", (), ()),
        (1125, "resident", (), ()),  # 900 is 80% of it
        (1124, "one-at-a-time", (), ("last",)),  # 100 beside 500
        (750, "one-at-a-time", (), ("last",)),
        (749, "one-at-a-time", (), ()),
        (625, "one-at-a-time", (), ()),
        (624, "one-at-a-time", ("up",), ()),
        (100, "one-at-a-time", ("base", "up", "last"), ()),
    ],
)
def test_what_fits_is_held(cap: int | None, placement: str, streamed: tuple[str, ...], kept: tuple[str, ...]) -> None:
    assert choose(WEIGHTS, cap) == Residence(placement, frozenset(streamed), frozenset(kept))


def test_what_is_asked_for_goes_before_the_numbers() -> None:
    assert choose(WEIGHTS, None, "one-at-a-time").placement == "one-at-a-time"
    assert choose(WEIGHTS, 1000, "resident").placement == "resident"
    assert choose(WEIGHTS, 750, "auto").kept == {"last"}
    assert choose(WEIGHTS, 750, "one-at-a-time") == Residence("one-at-a-time")
    assert choose(WEIGHTS, 624, "one-at-a-time") == Residence("one-at-a-time", frozenset({"up"}))


def test_what_nobody_knows_does_not_fit_beside_others() -> None:
    assert choose(WEIGHTS | {"up": None}, 10**6).placement == "one-at-a-time"
    assert choose(WEIGHTS | {"up": None}, None).placement == "resident"
