"""From signs to findings: which alarms hold over the whole report, which stage is worst, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

from dynaxx.lens.advice import advice, called
from dynaxx.lens.alarms import ALPHA, alarms
from dynaxx.lens.bench import Bench
from dynaxx.lens.exam import Exam, suspect
from dynaxx.lens.explain import explain
from dynaxx.lens.findings import Finding, Level, finite
from dynaxx.lens.signs import Sign
from dynaxx.lens.suspect import Explanation

WATCH = 0.5
"""The share of the least effect from which a sign is worth watching."""
WORDS = {
    "cast": ("mean of channel {at}", "signal"),
    "contrast": ("contrast", "ln"),
    "band": ("power in band {at}", "dB"),
    "grain": ("power in the highest band", "dB"),
    "place": ("mean of cell {at}", "signal"),
    "empty": ("power in cell {at}", "ln"),
    "distance": ("distance to the truth", "MMD^2"),
    "stray": ("straying from its input beyond what noise excuses", "signal^2"),
    "lost": ("samples that left their input", "share"),
    "hidden": ("the share of its input that noise hides", "share"),
    "unheard": ("answers that do not change with what is asked for", "share"),
    "exchanged": ("answers to other prompts", "share"),
}
"""What signs are called, and their units."""


@final
@dataclass(frozen=True)
class Diagnosis:
    """A node with its signs as they hold family-wise, and the explanation where it is at fault."""

    exam: Exam
    adjusted: tuple[float, ...]
    explanation: Explanation | None

    @property
    def level(self) -> Level:
        """The worst of its signs."""
        return "fault" if self.explanation else "watch" if self.watched else "healthy"

    @property
    def watched(self) -> bool:
        """Whether a sign is worth watching."""
        return any(p < ALPHA and s.size >= WATCH for s, p in zip(self.exam.signs, self.adjusted, strict=True))

    @property
    def strongest(self) -> Sign | None:
        """The largest sign that holds, in units of the least that counts."""
        held = [s for s, p in zip(self.exam.signs, self.adjusted, strict=True) if p < ALPHA]
        return max(held, key=lambda sign: sign.size, default=None)

    @property
    def severity(self) -> float:
        """The size of that sign."""
        return 0.0 if self.strongest is None else self.strongest.size


def diagnose(bench: Bench, exams: Sequence[Exam]) -> list[Diagnosis]:
    """Judge all signs of all nodes within the report's family, and explain the nodes that are at fault."""
    adjusted = iter(alarms(bench).adjusted([sign.p_value for exam in exams for sign in exam.signs]))
    found = []
    for exam in exams:
        ps = tuple(next(adjusted) for _ in exam.signs)
        at_fault = [s for s, p in zip(exam.signs, ps, strict=True) if p < ALPHA and s.size >= 1]
        held = [s.name for s in sorted(at_fault, key=lambda sign: -sign.size)]
        found.append(Diagnosis(exam, ps, explain(suspect(bench, exam, held)) if held else None))
    return found


def findings(diagnosis: Diagnosis, given: str) -> list[Finding]:
    """The fault, where there is one, and the signs behind it on what was `given`; of many alike (bands) the largest."""
    name, shown = diagnosis.exam.node.name, list[Finding]()
    if diagnosis.explanation is not None:
        shown.append(_fault(diagnosis, diagnosis.explanation))
    for sign, p in _largest(diagnosis):
        shown.append(_sign(name, sign, p, given))
    return [*shown, *diagnosis.exam.left_out]


def _fault(diagnosis: Diagnosis, explanation: Explanation) -> Finding:
    name, n = diagnosis.exam.node.name, len(diagnosis.exam.pair.x)
    says = f"{name} has {called(explanation.kind)}: {explanation.says}"
    says += f" (this explains {100 * min(explanation.share, 1.0):.0f}% of its misfit)." if explanation.share else "."
    return Finding(
        f"{name}.fault", "exam", name, called(explanation.kind), explanation.share, None, None, n, "share explained",
        "fault", says, reference=0.0, p=None, kind=explanation.kind, advice=advice(explanation.kind, explanation.part),
    )  # fmt: skip


def comparison(diagnoses: Sequence[Diagnosis]) -> str:
    """Why the first is named before the others: the strongest sign of each, in units of the least that counts."""
    told = [f"{d.exam.node.name} {d.severity:.2g} ({_words(d.strongest)})" for d in diagnoses if d.strongest]
    return f"Strongest signs, in units of the least that counts: {', '.join(told)}."


def _words(sign: Sign) -> str:
    return WORDS[sign.name][0].format(at=sign.at)


def _largest(diagnosis: Diagnosis) -> list[tuple[Sign, float]]:
    best: dict[str, tuple[Sign, float]] = {}
    for sign, p in zip(diagnosis.exam.signs, diagnosis.adjusted, strict=True):
        held = (p < ALPHA, sign.size)
        if sign.name not in best or held > (best[sign.name][1] < ALPHA, best[sign.name][0].size):
            best[sign.name] = (sign, p)
    return list(best.values())


def _sign(node: str, sign: Sign, p: float, given: str) -> Finding:
    held = p < ALPHA
    level: Level = "fault" if held and sign.size >= 1 else "watch" if held and sign.size >= WATCH else "healthy"
    unit = WORDS[sign.name][1]
    name, interval = _words(sign), sign.estimate.interval()
    says = f"On {given}, {name} is off by {interval.value:.3g} {unit}".strip() + f"; {sign.least:.3g} counts."
    return Finding(
        f"{node}.{sign.name}", "exam", node, name, finite(interval.value), finite(interval.low), finite(interval.high),
        interval.n, unit, level, says, reference=0.0, least_effect=finite(sign.least), p=p,
    )  # fmt: skip


def worst(diagnoses: Sequence[Diagnosis], share: Mapping[str, float]) -> Diagnosis | None:
    """The node at fault with the strongest sign; of equal ones, that with the largest share of the final error."""
    at_fault = [d for d in diagnoses if d.explanation is not None]
    return max(at_fault, key=lambda d: (d.severity, share.get(d.exam.node.name, 0.0)), default=None)
