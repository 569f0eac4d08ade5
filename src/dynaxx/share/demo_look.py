"""A short look through the lens at the cascade of the demo, as a report beside its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dynaxx.engine.cascade import Cascade
from dynaxx.lens.findings import Report
from dynaxx.lens.look import Look
from dynaxx.lens.open import Options, look
from dynaxx.noise.solve.step import Step
from dynaxx.share.report import PAGE, write_report
from dynaxx.spec.data import BundledData

FOLDER = "lens"
SAMPLES, BUDGET_S = 32, 20.0
"""A page that is waited for: which stage is worst shows on this many samples, and other probes have to fit in."""


def look_page(folder: Path) -> Path:
    """Where the report of a demo in `folder` lies."""
    return folder / FOLDER / PAGE


def look_at(
    cascade: str,
    *,
    seed: int = 0,
    num: int = SAMPLES,
    budget_s: float = BUDGET_S,
    on_step: Callable[[str, Step], None] | None = None,
) -> Look:
    """Open the lens on a cascade that takes text, against the bundled pictures."""
    return look(
        Cascade.from_pretrained(cascade), data=BundledData(), options=Options(num, budget_s, seed), on_step=on_step
    )


def write_look(view: Look, cascade: str, folder: Path, *, seed: int = 0) -> Report:
    """Write the report of a look whose steps are done; give it, with the command that makes it again."""
    lensed = view.lensed()
    method = {**lensed.report.method, "command": f"dynaxx demo --lens --cascade {cascade} --seed {seed}"}
    report = replace(lensed.report, cascade={**lensed.report.cascade, "from": cascade}, method=method)
    write_report(replace(lensed, report=report), look_page(folder).parent)
    return report
