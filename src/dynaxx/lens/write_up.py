"""From what was measured to the report: stages at a glance, findings in order, and a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from dynaxx.lens.advice import advice, called
from dynaxx.lens.bench import Bench
from dynaxx.lens.diagnose import Diagnosis, comparison, findings, worst
from dynaxx.lens.error_table import ErrorTable
from dynaxx.lens.findings import ORDER, Finding, Lensed, Level, Measure, Report, StageView, Verdict, Worst, worse
from dynaxx.lens.outcome import Outcome
from dynaxx.lens.taps import Taps
from dynaxx.metrics.fidelity import mse
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.metrics.ratio import ratio
from dynaxx.spec.files import dump
from dynaxx.spec.graph import Node
from dynaxx.spec.identity import run_id
from dynaxx.spec.stage import DenoisingStage

SHOWN = 8
"""Samples that are shown, the worst first."""
SWEPT = ("level_sweep", "guidance", "steps")
"""The probes that try other settings."""
CARRY = 1.5
"""The least carry that counts as amplifying."""
MEASURED = ("level_borne", "hand_over")
"""Probes that measure a cause: what they find goes before signs of it, which may have other names."""


def write_up(
    bench: Bench,
    table: ErrorTable | None,
    diagnoses: Sequence[Diagnosis],
    outcomes: Sequence[Outcome],
    method: Mapping[str, Any],
) -> Lensed:
    """The report with its samples."""
    found = [*_exam_findings(bench, diagnoses), *_carries(table), *(f for o in outcomes for f in o.findings)]
    found = _with_changes(found)
    found.sort(key=lambda f: (-ORDER.index(f.level), 0 if f.kind else 1))
    verdict = _verdict(bench, diagnoses, found, table)
    report = Report(
        cascade=_cascade(bench.taps), verdict=verdict, score=_measure(table and table.score),
        floor=_measure(table and table.floor), distance=DISTANCE,
        stages=tuple(_view(bench, node, table, diagnoses, found) for node in bench.graph), findings=tuple(found),
        curves=tuple(curve for outcome in outcomes for curve in outcome.curves),
        error_table=None if table is None else _entries(table), method=method,
    )  # fmt: skip
    return Lensed(report, _worst(bench, table))


DISTANCE = {
    "name": "MMD^2", "unit": "",
    "says": "0 for two sets of one kind (and below 0 by chance), about 1 for sets that have nothing in common.",
}  # fmt: skip


def _cascade(taps: Taps) -> dict[str, Any]:
    spec = taps.cascade.spec
    return {"name": spec.name, "run_id": run_id(spec), "from": str(taps.cascade.root or ""), "yaml": dump(spec)}


def _exam_findings(bench: Bench, diagnoses: Sequence[Diagnosis]) -> list[Finding]:
    """Those of every node; where the file itself says that noise is not told, the remedy is to tell it."""
    found = []
    for diagnosis in diagnoses:
        node = diagnosis.exam.node
        for finding in findings(diagnosis, bench.given_are):
            noise = node.inputs["low"].edge.noise if "low" in node.inputs else None
            untold = finding.kind == "untold-noise" and noise is not None and not noise.told
            path = f"{node.stage.name}.inputs.low.noise.told"
            found.append(replace(finding, change={path: True}) if untold else finding)
    return found


def _carries(table: ErrorTable | None) -> list[Finding]:
    """Stages that make what they receive worse."""
    if table is None:
        return []
    found = []
    for name, carry in table.carry.items():
        measure, bad = Measure.of(carry), table.sure_carry[name].low > CARRY
        says = f"{name} carries {carry.value:.2g} of the error that it receives on."
        if measure.low is None:
            says = f"What {name} receives is too near the truth to say what it makes of errors."
        level: Level = "fault" if bad else "unknown" if measure.low is None else "healthy"
        found.append(
            Finding(
                f"{name}.carry", "carry", name, "carry", measure.value, measure.low, measure.high, measure.n, "ratio",
                level, says, reference=1.0, least_effect=CARRY, kind="amplifies" if bad else None,
                advice=advice("amplifies") if bad else None,
            )
        )  # fmt: skip
    return found


def _with_changes(found: list[Finding]) -> list[Finding]:
    """An exam that finds what a setting of the run cures takes the remedy of that setting's sweep."""
    swept = {(f.stage, f.kind): f for f in found if f.probe != "exam" and f.change}
    return [_cured(f, swept.get((f.stage, f.kind))) if f.probe == "exam" and f.kind else f for f in found]


def _cured(fault: Finding, by: Finding | None) -> Finding:
    return fault if by is None else replace(fault, advice=by.advice, change=by.change, gain=by.gain)


def _verdict(
    bench: Bench, diagnoses: Sequence[Diagnosis], found: Sequence[Finding], table: ErrorTable | None
) -> Verdict:
    shares = {name: share.value for name, share in (table.share if table else {}).items()}
    cause = next((f for f in found if f.level == "fault" and f.probe in MEASURED), None)
    if cause is not None and cause.kind is not None:
        told = (cause.says, cause.advice or advice(cause.kind))
        return Verdict("fault", cause.stage, cause.kind, f"{cause.stage} is at fault: {called(cause.kind)}.", told)
    bad = worst(diagnoses, shares)
    if bad is not None and bad.explanation is not None:
        name, kind = bad.exam.node.name, bad.explanation.kind
        others = [d.exam.node.name for d in diagnoses if d.explanation is not None and d is not bad]
        remedy = next((f.advice for f in found if f.probe == "exam" and f.kind == kind and f.stage == name), None)
        words = [f"On {bench.given_are}: {bad.explanation.says}.", remedy or advice(kind)]
        words += _swept(name, found)
        if len(diagnoses) > 1:
            words.append(comparison(sorted(diagnoses, key=lambda d: -d.severity)))
        if others:
            words.append(f"Also at fault: {', '.join(others)}.")
        part = f", the largest part of it {called(bad.explanation.part)}" if bad.explanation.part else ""
        return Verdict("fault", name, kind, f"{name} is at fault: {called(kind)}{part}.", tuple(words))
    other = next((f for f in found if f.level == "fault" and f.kind), None)
    if other is not None and other.kind is not None:
        told = (other.says, other.advice or advice(other.kind))
        return Verdict("fault", other.stage, other.kind, f"{other.stage} has {called(other.kind)}.", told)
    level = worse([f.level for f in found if f.level != "unknown"])
    if level == "watch":
        watched = [f for f in found if f.level == "watch"]
        seen = tuple(f"{f.stage}: {f.says}" for f in watched[:3])
        return Verdict("watch", watched[0].stage, None, "No stage is at fault; some signs are worth watching.", seen)
    return Verdict(level, None, None, "No fault was found." if level == "healthy" else "Nothing could be measured.", ())


def _swept(stage: str, found: Sequence[Finding]) -> list[str]:
    """Where settings of a stage were swept and none helps, that it takes more than settings."""
    swept = [f for f in found if f.stage == stage and f.probe in SWEPT]
    if not swept or any(f.change for f in swept):
        return []
    names = ", ".join(f.name.removeprefix("the ") for f in swept)
    return [f"Its settings were swept ({names}), and none makes the cascade better."]


def _view(
    bench: Bench, node: Node, table: ErrorTable | None, diagnoses: Sequence[Diagnosis], found: Sequence[Finding]
) -> StageView:
    level = worse([f.level for f in found if f.stage == node.name and f.level != "unknown"])
    shown = next((f.says for f in found if f.stage == node.name and f.level in ("fault", "watch")), None)
    says = shown or ("Nothing wrong was found." if level == "healthy" else "")
    std = {name: value for name, given in node.inputs.items() if (value := given.edge.level) is not None}
    name = node.name
    return StageView(
        node.stage.name, node.stage.role, node.stage.kind, str(node.grid), name, std,
        node.stage.solver.steps if isinstance(node.stage, DenoisingStage) else None,
        share=_measure(table and table.share[name]), share_percent=_percent(table, name),
        own=_measure(table and table.own[name]), gap=_measure(table and table.gap[name]),
        carry=Measure.of(table.carry[name]) if table and name in table.carry else None, level=level, says=says,
    )  # fmt: skip


def _measure(found: Pairwise | None) -> Measure | None:
    return None if found is None else Measure.of(found.interval())


def _percent(table: ErrorTable | None, name: str) -> Measure | None:
    """A share as a percentage of all, only where all is beyond its own interval."""
    if table is None:
        return None
    total = table.score - table.floor
    if total.interval().low <= 0:
        return None
    return Measure.of(ratio(table.share[name] * 100, total))


def _entries(table: ErrorTable) -> dict[str, Any]:
    rows = [[_measure(entry[name]) for name in table.names] for entry in table.entries]
    plain = [[None if m is None else m.__dict__ for m in row] for row in rows]
    return {"stages": list(table.names), "rows": plain}


def _worst(bench: Bench, table: ErrorTable | None) -> tuple[Worst, ...]:
    """The samples that count most to the final error; without a truth, those that stray most from their input."""
    if table is not None:
        score = table.score.rows / (table.score.n - 1)
        says = "of all samples it adds most to the distance from the truth"
    else:
        later = bench.later()
        if not later:
            return ()
        node = later[-1]
        score = mse(bench.down(bench.chain[node.name], node), bench.low_of(node))
        says = "its answer strays most from its input"
    order = score.argsort(descending=True)[:SHOWN].tolist()
    return tuple(
        Worst(
            i, bench.taps.prompts[i] if bench.taps.prompts else "", float(score[i]), says,
            {name: x[i] for name, x in bench.chain.items()}, {name: x[i] for name, x in bench.truths.items()},
        )
        for i in order
    )  # fmt: skip
