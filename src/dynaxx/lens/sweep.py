"""Whether a setting of the run is right: the score as it varies, its minimum, and whether that beats what is set now.

    J = d(samples, truth) + E |D S(low) - low|^2 / Var(low)

d is MMD^2 at the last grid, in the chain as it runs; the second part is what a level hides of a low input that may
well be right. Both are 0 at best. All settings share samples and random numbers: differences have paired intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import final

from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.lens.alarms import alarms
from dynaxx.lens.bench import Bench
from dynaxx.lens.findings import Axis, Curve, Level, Mark, Measure, Series, finite
from dynaxx.lens.outcome import Outcome, finding
from dynaxx.lens.settings import Setting
from dynaxx.lens.signs import log_ratio
from dynaxx.lens.spectra import FINE, TO_DB, finest
from dynaxx.metrics.fidelity import mse
from dynaxx.metrics.interval import Estimate, Interval
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.spec.graph import Node

LEAST, WORTH, SHARE = 0.15, 0.02, 1 / 3
"""The least gain in J that is a fault, the least that is worth a change; both are at least this share of J."""


@final
@dataclass(frozen=True)
class Trial:
    """The cascade with one setting at one value: its score, and how much of the finest octave the node has, in dB."""

    score: Pairwise
    detail: Estimate


def sweep(bench: Bench, setting: Setting, *, rows: int) -> Outcome:
    """The score at every value, and a remedy where one beats the present value beyond its interval.

    A gain is a fault that is large; of steps and starts also one that brings fine detail back to the truth's.
    Gains and detail are judged at the confidence at which alarms hold over the whole report.
    """
    trials = {value: trial(bench, setting, value, rows=rows) for value in setting.values}
    now, best = trials[setting.now], min(trials, key=lambda value: trials[value].score.value)
    sure = alarms(bench).confidence
    gain = (now.score - trials[best].score).interval(sure)
    mended = setting.kind == "steps" and _mends(now.detail.interval(sure), trials[best].detail.value)
    level = _level(gain, now.score.value, mended=mended)
    off = level != "healthy"
    found = finding(
        setting.probe, setting.node.name, f"the {setting.name}", now.score.interval(), unit="J",
        says=_says(setting, trials, best if off else None), at=setting.key, level=level,
        least=max(LEAST, SHARE * now.score.value), advice=f"Set {setting.full} to {best:g}." if off else None,
    )  # fmt: skip
    if off:
        kind = setting.kind if not mended else "over-smoothed" if now.detail.value < 0 else "noise-left"
        found = replace(found, kind=kind, gain=Measure.of(gain), change={setting.full: setting.typed(best)})
    return Outcome((found,), tuple(_curves(setting, trials, best)))


def _level(gain: Interval, now: float, *, mended: bool) -> Level:
    if gain.low <= 0:
        return "healthy"
    if mended or gain.value > max(LEAST, SHARE * now):
        return "fault"
    return "watch" if gain.value > max(WORTH, SHARE * now) else "healthy"


def _mends(now: Interval, then: float) -> bool:
    """Whether fine detail that is off by FINE dB for sure comes nearer to the truth's by as much."""
    off = max(now.low, -now.high)
    return off > FINE and abs(then) < abs(now.value) - FINE


def _says(setting: Setting, trials: Mapping[float, Trial], best: float | None) -> str:
    says = f"No {setting.name} that was tried beats {setting.now:g} beyond its interval."
    if best is not None:
        says = f"The score is best at {best:g}; it is run at {setting.now:g}."
    if setting.kind != "steps":
        return says
    heard = ", ".join(f"{found.detail.value:+.1f} dB at {value:g}" for value, found in trials.items())
    return f"{says} Its finest octave against the truth: {heard}."


def trial(bench: Bench, setting: Setting, value: float, *, rows: int) -> Trial:
    """Run the cascade with the setting at a value."""
    cascade, node = bench.taps.cascade, setting.node
    if value != setting.now:
        cascade = cascade.with_settings({setting.full: setting.typed(value)})
    answers = bench.taps.chain(cascade=cascade, rows=range(rows))
    detail = log_ratio(finest(answers[node.name]), finest(bench.truths[node.name][:rows]), TO_DB)
    return Trial(_score(bench, answers, node, rows), detail)


def score(bench: Bench, cascade: Cascade, node: Node, *, rows: int) -> Pairwise:
    """J of a cascade that differs from the bench's own in settings of one node."""
    return _score(bench, bench.taps.chain(cascade=cascade, rows=range(rows)), node, rows)


def _score(bench: Bench, answers: Mapping[str, Tensor], node: Node, rows: int) -> Pairwise:
    found = bench.distance(answers[bench.last.name], bench.last)
    if node not in bench.later():
        return found
    low = bench.joined(node, {**{name: x[:rows] for name, x in bench.given.items()}, **answers})
    astray = mse(bench.down(answers[node.name], node), low) / low.double().var().clamp_min(1e-12)
    return found + of_samples(astray)


def of_samples(values: Tensor) -> Pairwise:
    """The mean of `(n,)` numbers as a mean over pairs, so that it adds to distances."""
    return Pairwise((values[:, None] + values[None, :]) / 2)


def _curves(setting: Setting, trials: Mapping[float, Trial], best: float) -> Iterator[Curve]:
    """The score; of steps and starts also fine detail."""
    name, x = setting.node.name, Axis(setting.name, setting.unit)
    marks = [Mark(setting.now, "now", "now"), Mark(best, "minimum", "minimum")]
    marks += [Mark(end, "trained range", "limit") for end in setting.limits or ()]
    lines = {"": [found.score.interval() for found in trials.values()]}
    if setting.kind == "steps":
        lines[".detail"] = [found.detail.interval() for found in trials.values()]
    for part, ends in lines.items():
        line = Series(
            "finest octave" if part else "J", "measured", tuple(trials), tuple(finite(i.value) for i in ends),
            tuple(finite(i.low) for i in ends), tuple(finite(i.high) for i in ends),
        )  # fmt: skip
        says = "0 dB is the truth's own; the shaded band is the 95% interval."
        yield Curve(
            f"{name}.{setting.key}{part}", setting.probe, name,
            f"Fine detail of {name}" if part else f"The {setting.name} of {name}",
            says if part else "Lower is better; the shaded band is the 95% interval.", x,
            Axis("finest octave", "dB") if part else Axis("score J"), (line,), tuple(marks),
        )  # fmt: skip
