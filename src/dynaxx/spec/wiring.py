"""Whether a cascade's stages fit together: all rules, each in its file, asked when a spec is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dynaxx.spec import (
    rules_edges,
    rules_exact,
    rules_grids,
    rules_names,
    rules_pipeline,
    rules_reach,
    rules_spaces,
    rules_stages,
    rules_tiles,
)
from dynaxx.spec.grids import Grids, resolve
from dynaxx.spec.problem import Problem, place

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def violations(spec: CascadeSpec) -> list[Problem]:
    """All that is wrong between the stages; grids are asked about only once names and order are right."""
    named = [problem for rule in rules_names.NAMES for problem in rule(spec)]
    named = named or list(rules_names.no_cycles(spec))
    declared = [problem for rule in rules_names.DECLARED for problem in rule(spec)]
    found = [*named, *declared, *_stages(spec), *_edges(spec)]
    if named:
        return found
    grids = resolve(spec)
    return [*found, *grids.problems, *fits(spec, grids)]


def fits(spec: CascadeSpec, grids: Grids) -> list[Problem]:
    """What does not fit between grids that are resolved."""
    return [
        Problem(place(index, stage.name, key), what, fix)
        for index, stage in enumerate(spec.stages)
        for rules in (rules_grids, rules_tiles, rules_spaces, rules_reach, rules_exact)
        for rule in rules.RULES
        for key, what, fix in rule(spec, stage, grids)
    ]


def _stages(spec: CascadeSpec) -> list[Problem]:
    return [
        Problem(place(index, stage.name, key), what, fix)
        for index, stage in enumerate(spec.stages)
        for rule in (*rules_stages.RULES, *rules_pipeline.RULES)
        for key, what, fix in rule(spec, stage)
    ]


def _edges(spec: CascadeSpec) -> list[Problem]:
    return [
        Problem(place(index, stage.name, "inputs", name, key), what, fix)
        for index, stage in enumerate(spec.stages)
        for name, edge in stage.inputs.items()
        for rule in rules_edges.RULES
        for key, what, fix in rule(spec, stage, edge)
    ]
