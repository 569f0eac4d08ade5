"""Numbers for readers: three figures, intervals in words, and no more precision than was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MINUS, TIMES = "\u2212", "\u00d7"
SUPERSCRIPT = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")
NOT_MEASURED = "not measured"
ROUNDING = 1e-12
"""Below this a number is the rounding of float64, and said to be 0."""


def figure(x: float | None, digits: int = 3, *, exact: int | None = None) -> str:
    """A number with `digits` figures, or `exact` decimals: `0.0123`, `1.5`, `12 300`, `3.2 x 10^-5` with real signs."""
    if x is None or not math.isfinite(x):
        return NOT_MEASURED
    size = 0.0 if abs(x) < ROUNDING else abs(x)
    if exact is not None:
        said = f"{size:,.{exact}f}".replace(",", "\u202f")
    elif size and not 1e-4 <= size < 1e6:
        mantissa, _, exponent = f"{size:.{digits - 1}e}".partition("e")
        said = f"{_trimmed(mantissa)} {TIMES} 10{str(int(exponent)).translate(SUPERSCRIPT)}"
    else:
        said = _trimmed(f"{float(f'{size:.{digits}g}'):,.{digits + 2}f}".replace(",", "\u202f"))
    return MINUS + said if x < 0 and said != "0" else said


def measure(m: Mapping[str, Any] | None, unit: str = "") -> str:
    """The value of a measure with its unit."""
    if m is None or m.get("value") is None:
        return NOT_MEASURED
    return _shown(m["value"], unit)


def interval(m: Mapping[str, Any] | None, unit: str = "") -> str:
    """The interval of a measure: `0.01 to 0.03`, `at least 0.01`, `unbounded`; empty where nothing was measured."""
    if m is None or m.get("value") is None:
        return ""
    low, high = m.get("low"), m.get("high")
    if low is None and high is None:
        return "unbounded"
    if low is None or high is None:
        return f"at most {_shown(high, unit)}" if low is None else f"at least {_shown(low, unit)}"
    return (
        f"{_shown(low, '')} to {_shown(high, unit)}"
        if unit != "%"
        else f"{_shown(low, '%')[:-1]} to {_shown(high, '%')}"
    )


def with_unit(said: str, unit: str) -> str:
    """A number and its unit: a percent sign close by, all else after a space that does not break."""
    return said + (unit if unit in ("%", "") else "\u00a0" + unit.replace("^2", "\u00b2"))


def count(n: int | None) -> str:
    """A whole number with its thousands apart."""
    return "" if n is None else f"{n:,}".replace(",", "\u202f")


def p_value(p: float | None) -> str:
    """A p-value as journals have it."""
    if p is None:
        return ""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _shown(x: float | None, unit: str) -> str:
    """Percent are whole numbers."""
    said = figure(x) if x is None or unit != "%" else f"{abs(x):.0f}"
    return with_unit(MINUS + said if unit == "%" and x is not None and round(x) < 0 else said, unit)


def _trimmed(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
