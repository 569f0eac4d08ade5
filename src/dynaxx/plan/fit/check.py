"""All agreements of a cascade with its pretrained pipelines, before a byte of weights is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dynaxx.plan.fit import alone, handed, inputs
from dynaxx.plan.fit.agreement import Agreement, Place
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.facts import facts_of
from dynaxx.spec.grids import resolve
from dynaxx.spec.problem import Problem, error_of
from dynaxx.spec.stage import PipelineStage

RULES = (*alone.RULES, *inputs.RULES, *handed.RULES)


def agreements(spec: CascadeSpec, root: Path | None, *, size: tuple[int, ...] | None = None) -> list[Agreement]:
    """What every wrapped pipeline and its place say of each other; of one that is not on this machine, one unknown.

    Raises:
        DataError: if a configuration file is damaged.
    """
    stages = [stage for stage in spec.stages if isinstance(stage, PipelineStage)]
    grids, known = resolve(spec, size), {stage.name: facts_of(stage, root) for stage in stages}
    found = list[Agreement]()
    for stage in stages:
        facts = known[stage.name]
        if facts is None:
            what = f"{stage.load!r} is not on this machine"
            found.append(Agreement(f"{stage.name}.load", stage.name, "all", "unknown", what, "unknown", "Download it."))
            continue
        place = Place(spec, stage, facts, grids, known)
        found += [agreement for rule in RULES for agreement in rule(place)]
    return found


def refuse_mismatches(spec: CascadeSpec, root: Path | None, *, size: tuple[int, ...] | None = None) -> None:
    """See that every pretrained pipeline fits its place, as far as configurations tell.

    Raises:
        SpecError: naming every mismatch with both sides and the way out.
    """
    wrong = mismatches(agreements(spec, root, size=size))
    if wrong:
        raise error_of([_problem(agreement) for agreement in wrong])


def mismatches(found: Sequence[Agreement]) -> list[Agreement]:
    """Those agreements on which the two sides differ."""
    return [agreement for agreement in found if agreement.verdict == "mismatch"]


def _problem(agreement: Agreement) -> Problem:
    what = f"{agreement.about}: the cascade has {agreement.given}, {agreement.edge} needs {agreement.wanted}."
    return Problem(agreement.where, what, agreement.fix)
