"""What a probe answers with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from dynaxx.lens.findings import Curve, Finding, Level, finite
from dynaxx.metrics.interval import Interval


@final
@dataclass(frozen=True)
class Outcome:
    """A probe's findings and what it draws."""

    findings: tuple[Finding, ...] = ()
    curves: tuple[Curve, ...] = ()


def finding(
    probe: str,
    stage: str,
    name: str,
    found: Interval,
    *,
    unit: str,
    says: str,
    level: Level = "healthy",
    reference: float | None = None,
    least: float | None = None,
    kind: str | None = None,
    advice: str | None = None,
    at: str = "",
) -> Finding:
    """A finding from an interval."""
    return Finding(
        id=".".join(part for part in (stage, probe, at) if part), probe=probe, stage=stage, name=name,
        value=finite(found.value), low=finite(found.low), high=finite(found.high), n=found.n, unit=unit, level=level,
        says=says, reference=reference, least_effect=least, kind=kind, advice=advice,
    )  # fmt: skip


def unasked(probe: str, stage: str, name: str, why: str, *, at: str = "") -> Finding:
    """A finding where nothing could be measured, and why."""
    return Finding(
        id=".".join(part for part in (stage, probe, at) if part), probe=probe, stage=stage, name=name, value=None,
        low=None, high=None, n=0, unit="", level="unknown", says=f"Not measured: {why}.",
    )  # fmt: skip
