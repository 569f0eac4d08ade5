"""Quantities as people read them: counts, bytes, durations with their interval, dollars."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

COUNTS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SIZES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))
TIMES = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"))


def amount(number: float) -> str:
    """A count: `7.05M`."""
    return next((f"{number / size:.3g}{unit}" for size, unit in COUNTS if number >= size), f"{number:.0f}")


def size_of(number: float) -> str:
    """A number of bytes: `59.2 MiB`."""
    return next((f"{number / size:.3g} {unit}" for size, unit in SIZES if number >= size), f"{number:.0f} B")


def lasting(found: Mapping[str, float] | None) -> str:
    """A duration with its 90% interval: `1.2 s (1.1 to 1.4)`; `?` where it is not known."""
    if found is None:
        return "?"
    size, unit = next(((s, u) for s, u in TIMES if found["value"] >= s), TIMES[-1])
    value, low, high = (found[key] / size for key in ("value", "low", "high"))
    return f"{value:.3g} {unit} ({low:.3g} to {high:.3g})"


def dollars(found: Mapping[str, Any]) -> str:
    """A cost with its 90% interval, and what it is on spot."""
    told = _usd(found["on_demand"])
    return f"{told}, on spot {_usd(found['spot'])}" if found["spot"] else told


def _usd(found: Mapping[str, float]) -> str:
    return f"${found['value']:.3g} ({found['low']:.3g} to {found['high']:.3g})"
