"""All agreements of a cascade with its pretrained pipelines, before a byte of weights is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dynaxx.plan.fit import alone, files, handed, inputs
from dynaxx.plan.fit.agreement import Agreement, Place
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.facts import INDEX, Facts, beside_file, facts_of
from dynaxx.spec.grids import resolve
from dynaxx.spec.problem import Problem, did_you_mean, error_of
from dynaxx.spec.stage import PipelineStage

RULES = (files.weights, *alone.RULES, *inputs.RULES, *handed.RULES)
ABSENT = ("all", "weights")
"""What agreements are about where files are not there: nothing is known, and nothing can be run yet."""


def agreements(spec: CascadeSpec, root: Path | None, *, size: tuple[int, ...] | None = None) -> list[Agreement]:
    """What every wrapped pipeline and its place say of each other; of one that is not on this machine, one unknown.

    Where the stage names its class, the arguments of its call are known without its files.

    Raises:
        DataError: if a configuration file is damaged.
    """
    stages = [stage for stage in spec.stages if isinstance(stage, PipelineStage)]
    grids, known = resolve(spec, size), {stage.name: facts_of(stage, root) for stage in stages}
    found = list[Agreement]()
    for stage in stages:
        facts = known[stage.name]
        place = Place(spec, stage, facts or Facts(stage.pipeline or ""), grids, known)
        if facts is None:
            found += [_absent(stage, root), *alone.arguments(place)]
        else:
            broken = list(files.configurations(place))
            found += broken or [agreement for rule in RULES for agreement in rule(place)]
    return found


def _absent(stage: PipelineStage, root: Path | None) -> Agreement:
    """That nothing is known of a pipeline, and which folder may have been meant."""
    beside = beside_file(stage.load, root)
    if beside.is_dir():
        what, fix = f"{stage.load!r} holds no {INDEX}", "Name a folder that diffusers wrote."
    elif beside.parent.is_dir():
        near = [str(Path(stage.load).with_name(file.parent.name)) for file in beside.parent.glob(f"*/{INDEX}")]
        what = f"{stage.load!r} is no folder beside the file, and is not on this machine"
        fix = f"{did_you_mean(stage.load, near)}If it is a hub id, download it."
    else:
        what, fix = f"{stage.load!r} is not on this machine", "Download it."
    return Agreement(f"{stage.name}.load", stage.name, "all", "unknown", what, "unknown", fix)


def absences(found: Sequence[Agreement]) -> list[str]:
    """What is not there, in sentences: the cascade may be sound, and cannot run yet."""
    return [f"{one.edge}: {one.wanted}. {one.fix}" for one in found if one.about in ABSENT]


def refuse_mismatches(
    spec: CascadeSpec, root: Path | None, *, size: tuple[int, ...] | None = None, before: CascadeSpec | None = None
) -> None:
    """See that every pretrained pipeline fits its place, as far as configurations tell.

    `before` is the cascade without its changes, for which nothing is refused.

    Raises:
        SpecError: naming every mismatch with both sides and the way out.
    """
    old = [] if before is None else mismatches(agreements(before, root, size=size))
    wrong = [agreement for agreement in mismatches(agreements(spec, root, size=size)) if agreement not in old]
    if wrong:
        raise error_of([_problem(agreement) for agreement in wrong])


def mismatches(found: Sequence[Agreement]) -> list[Agreement]:
    """Those agreements on which the two sides differ."""
    return [agreement for agreement in found if agreement.verdict == "mismatch"]


def _problem(agreement: Agreement) -> Problem:
    what = f"{agreement.about}: the cascade has {agreement.given}, {agreement.edge} needs {agreement.wanted}."
    return Problem(agreement.where, what, agreement.fix)
