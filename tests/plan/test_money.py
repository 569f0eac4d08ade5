"""Money follows from hours, the user's prices go before the published ones, and a file that holds none is told so."""

from __future__ import annotations

from pathlib import Path

import pytest

from dynaxx.errors import SpecError
from dynaxx.plan.money import Price, cost, prices
from dynaxx.plan.time.interval import Interval


def test_money_follows_from_hours() -> None:
    price = Price(usd_per_hour=2.0, spot_saving=0.5, spot_hours=4.0, restart_hours=0.2)
    told = cost(price, Interval(7200.0, 3600.0, 10800.0))
    assert (told.usd.low, told.usd.value, told.usd.high) == (2.0, 4.0, 6.0)
    assert told.spot_usd is not None
    assert told.spot_usd.value == pytest.approx(4.0 * 0.5 * 1.05)


def test_the_users_prices_go_before_the_published_ones(tmp_path: Path) -> None:
    own = tmp_path / "prices.yaml"
    own.write_text("h100-sxm: {usd_per_hour: 9.0}\nmine: {usd_per_hour: 0.2}\n", encoding="utf-8")
    known = prices(own)
    assert known["h100-sxm"].usd_per_hour == 9.0
    assert known["mine"].usd_per_hour == 0.2
    assert known["a100-sxm-80gb"].source


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"h100-sxm: {usd_per_hour: free}", r"\(h100-sxm.usd_per_hour: .* number"),
        (b"h100-sxm: {usd_an_hour: 3}", "h100-sxm.usd_an_hour: .* not permitted"),
        (b"h100-sxm: 3.0", r"\(h100-sxm: Input"),
        (b"- h100-sxm", "no line for each device"),
        (b"h100-sxm: {", "expected"),
        (b"\xff\xfe\x00", "decode"),
    ],
)
def test_a_price_file_that_is_none_is_told_its_form(tmp_path: Path, text: bytes, said: str) -> None:
    own = tmp_path / "prices.yaml"
    own.write_bytes(text)
    with pytest.raises(SpecError, match=said) as caught:
        prices(own)
    assert "`mine: {usd_per_hour: 0.8}`" in str(caught.value)
    assert "spot_hours" in str(caught.value)
