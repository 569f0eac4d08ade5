"""What a device draws, by the user's price file or the limit that a CPU reports, and the energy of so many seconds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dynaxx.plan.money import Price
from dynaxx.plan.pace import on_cpu
from dynaxx.plan.time.interval import Interval

POWERCAP = Path("/sys/class/powercap")
"""Where Linux shows the power limits of CPU packages."""
WS_PER_KWH = 3.6e6


def watts_of(device: str, price: Price | None) -> float | None:
    """The watts of one device under load, or None where nobody says.

    `watts` in the user's price file, else, for this machine's CPU, the limits that its packages report: a bound from
    above.
    """
    if price is not None and price.watts is not None:
        return price.watts
    return sum(_limits()) or None if on_cpu(device) else None


def energy_kwh(watts: float, seconds: Interval) -> Interval:
    """So many seconds at so many watts, in kilowatt-hours."""
    return seconds.times(watts / WS_PER_KWH)


def _limits() -> Iterator[float]:
    """The long-term limit of every package, in watts; zones of a whole platform and of parts are other ones."""
    for zone in sorted(POWERCAP.glob("intel-rapl:*")):
        with suppress(OSError, ValueError):
            if (zone / "name").read_text("utf-8").startswith("package"):
                yield float((zone / "constraint_0_power_limit_uw").read_text("utf-8")) / 1e6
