"""What the lens found, as data: measures, findings, curves and the whole report, in one versioned schema."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, final

from torch import Tensor

from dynaxx.metrics.interval import Estimate, Interval

SCHEMA = "dynaxx.findings/1"
Level = Literal["healthy", "watch", "fault", "unknown"]
ORDER: tuple[Level, ...] = ("unknown", "healthy", "watch", "fault")


@final
@dataclass(frozen=True)
class Measure:
    """A number with its 95% interval over n samples; an end is None where the samples do not bound it."""

    value: float | None
    low: float | None
    high: float | None
    n: int

    @classmethod
    def of(cls, found: Interval | Estimate) -> Measure:
        """The measure of an estimate or an interval."""
        interval = found.interval() if isinstance(found, Estimate) else found
        return cls(finite(interval.value), finite(interval.low), finite(interval.high), interval.n)


@final
@dataclass(frozen=True)
class Finding:
    """One thing that was measured in one stage, judged: `level` by family-wise chance and least effect.

    `kind` is the machine's word for a fault; `change` what `--apply` would set; `gain` what that is measured to bring.
    """

    id: str
    probe: str
    stage: str
    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    level: Level
    says: str
    reference: float | None = None
    least_effect: float | None = None
    p: float | None = None
    kind: str | None = None
    advice: str | None = None
    gain: Measure | None = None
    change: Mapping[str, Any] | None = None


@final
@dataclass(frozen=True)
class Axis:
    """A curve's axis; `ticks` name the places of a category axis."""

    label: str
    unit: str = ""
    scale: Literal["linear", "log", "category"] = "linear"
    ticks: tuple[str, ...] | None = None


@final
@dataclass(frozen=True)
class Series:
    """A line of a curve, with its 95% band where it has one."""

    name: str
    role: Literal["measured", "healthy", "reference", "other"]
    x: tuple[float, ...]
    y: tuple[float | None, ...]
    low: tuple[float | None, ...] | None = None
    high: tuple[float | None, ...] | None = None


@final
@dataclass(frozen=True)
class Mark:
    """A place on a curve's x axis: where the cascade is run now, where the minimum is, where training ended."""

    x: float
    label: str
    role: Literal["now", "minimum", "limit"]
    low: float | None = None
    high: float | None = None


@final
@dataclass(frozen=True)
class Curve:
    """Something to draw."""

    id: str
    probe: str
    stage: str
    title: str
    says: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()


@final
@dataclass(frozen=True)
class StageView:
    """A stage at a glance."""

    name: str
    role: str
    kind: str
    grid: str
    node: str
    std: Mapping[str, float]
    steps: int | None
    share: Measure | None
    share_percent: Measure | None
    own: Measure | None
    gap: Measure | None
    carry: Measure | None
    level: Level
    says: str


@final
@dataclass(frozen=True)
class Verdict:
    """The first thing to read: the worst stage, the kind of its fault, a headline and a few sentences."""

    level: Level
    stage: str | None
    kind: str | None
    headline: str
    words: tuple[str, ...]


@final
@dataclass(frozen=True)
class Report:
    """All that is written to findings.json; times stand under keys that end in `latency_s`, in `method` alone."""

    cascade: Mapping[str, Any]
    verdict: Verdict
    score: Measure | None
    floor: Measure | None
    distance: Mapping[str, str]
    stages: tuple[StageView, ...]
    findings: tuple[Finding, ...]
    curves: tuple[Curve, ...]
    error_table: Mapping[str, Any] | None
    method: Mapping[str, Any]
    samples: tuple[Mapping[str, Any], ...] = ()
    applied: Mapping[str, Any] | None = None
    schema: str = SCHEMA

    def to_json(self) -> dict[str, Any]:
        """Plain data, the schema first."""
        found = asdict(self)
        return {"schema": found.pop("schema"), **found}


@final
@dataclass(frozen=True)
class Worst:
    """A sample to look at: what every node made of it, and the truth where there is one; each `(C, *size)`."""

    id: int
    prompt: str
    score: float
    says: str
    frames: Mapping[str, Tensor]
    truth: Mapping[str, Tensor]


@final
@dataclass(frozen=True)
class Lensed:
    """A report with the samples that belong to it."""

    report: Report
    worst: tuple[Worst, ...] = field(default=())


def finite(value: float) -> float | None:
    """The number, or None where JSON has no word for it."""
    return value if math.isfinite(value) else None


def worse(levels: Sequence[Level]) -> Level:
    """The worst of some levels; unknown where there are none."""
    return max(levels, key=ORDER.index, default="unknown")
