"""Apply the run-time remedies of a report: a new cascade file, measured again on fresh samples beside the old one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.errors import DataError
from dynaxx.evolve.changed import write_changed
from dynaxx.lens.bench import Bench
from dynaxx.lens.findings import Finding, Measure
from dynaxx.lens.inputs import stand_ins
from dynaxx.lens.reference import Reference, find
from dynaxx.lens.sweep import score
from dynaxx.lens.taps import Taps
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.spec.data import DataSpec

FRESH = 7_000_003
"""Added to the seed, so that what is measured again shares no random number with what was seen."""


@final
@dataclass(frozen=True)
class Applied:
    """The remedies and the score before and after them, on the same fresh samples; `recovered` is their difference."""

    changes: tuple[Mapping[str, Any], ...]
    before: Measure
    after: Measure
    recovered: Measure
    file: str
    signals: str

    def to_json(self) -> dict[str, Any]:
        """Plain data for the report."""
        measures = {name: getattr(self, name).__dict__ for name in ("before", "after", "recovered")}
        return {"changes": list(self.changes), **measures, "file": self.file, "signals": self.signals}


def remedies(findings: Sequence[Finding]) -> dict[str, Any]:
    """What findings would set, by path; of two remedies for one path, the one with the larger gain."""
    gains: dict[str, tuple[float, Any]] = {}
    for finding in findings:
        for path, value in (finding.change or {}).items():
            gain = (finding.gain.value if finding.gain else None) or 0.0
            if path not in gains or gain > gains[path][0]:
                gains[path] = (gain, value)
    return {path: value for path, (_, value) in gains.items()}


def apply(
    cascade: Cascade,
    findings: Sequence[Finding],
    file: Path,
    *,
    num: int,
    data: DataSpec | None = None,
    given: Mapping[str, Tensor] | None = None,
    seed: int = 0,
) -> Applied | None:
    """Write the cascade with the remedies of a report's findings to `file` and measure both; None where there are none.

    The score is J of the sweep, over every stage whose settings change, on signals that the report did not see where
    the data has enough of them. `given` are the user's inputs, row by row for the signals of a look with this `num`,
    `data` and `seed`: where rows differ, those signals are taken again, so that each keeps its row.
    """
    changes = remedies(findings)
    if not changes:
        return None
    mended = cascade.with_settings(changes)
    listed = write_changed(cascade.spec, changes, file, root=cascade.root)
    reference, signals = _fresh(cascade, num, data, seed, bound=_differ(given or {}))
    taps = Taps.of(cascade, reference, seed=seed + FRESH, given=stand_ins(cascade.spec, reference, given))
    bench = Bench(taps, reference)
    changed = {path.split(".")[0] for path in changes}
    before, after = (_score(bench, one, changed, num) for one in (cascade, mended))
    return Applied(
        listed, Measure.of(before.interval()), Measure.of(after.interval()), Measure.of((before - after).interval()),
        str(file), signals,
    )  # fmt: skip


def _score(bench: Bench, cascade: Cascade, changed: set[str], num: int) -> Pairwise:
    nodes = [node for node in bench.graph if node.stage.name in changed]
    parts = [score(bench, cascade, node, rows=num) for node in nodes]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total * (1 / len(parts))


def _differ(given: Mapping[str, Tensor]) -> bool:
    """Whether some input is another for each sample, and so belongs to the signals of the look."""
    return any(bool((x != x[:1]).any()) for x in given.values())


def _fresh(cascade: Cascade, num: int, data: DataSpec | None, seed: int, *, bound: bool) -> tuple[Reference, str]:
    """Signals that the report did not see; the same ones with fresh random numbers where there are no others.

    `bound` says that the user's inputs belong to the signals of the look, so that no others would do.
    """
    unseen = None if bound else _unseen(cascade, num, data, seed)
    if unseen is not None:
        return unseen, "unseen"
    again = find(cascade.spec, num, data=data, root=cascade.root, seed=seed, size=cascade.runtime.size)
    assert again is not None, "a report with remedies has a reference"
    return again, "the same signals, fresh random numbers"


def _unseen(cascade: Cascade, num: int, data: DataSpec | None, seed: int) -> Reference | None:
    size = cascade.runtime.size
    try:
        found = find(cascade.spec, num, data=data, root=cascade.root, seed=seed, skip=num, size=size)
    except DataError:
        return None
    return found if found is not None and len(found) == num else None
