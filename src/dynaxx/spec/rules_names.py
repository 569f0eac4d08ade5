"""Rules on names: every stage has its own, and every edge reads something that exists and comes before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.problem import Problem, did_you_mean, listed, place
from dynaxx.spec.topology import INPUT, order, reads, upstream

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def own_names(spec: CascadeSpec) -> Iterator[Problem]:
    """Stage names are unique, and none is `input`."""
    first: dict[str, int] = {}
    for index, stage in enumerate(spec.stages):
        where = place(index, stage.name, "name")
        if stage.name == "input":
            yield Problem(where, "'input' is reserved for `input.<name>`.", "Choose another name.")
        if stage.name in first:
            what = f"{stage.name!r} is also the name of stages.{first[stage.name]}."
            yield Problem(where, what, "Give each stage a name of its own.")
        first.setdefault(stage.name, index)


def known_parents(spec: CascadeSpec) -> Iterator[Problem]:
    """An edge reads stages of this cascade, or declared inputs, and not its own stage."""
    known = [stage.name for stage in spec.stages] + [INPUT + name for name in spec.inputs]
    for index, stage in enumerate(spec.stages):
        for key, edge in stage.inputs.items():
            where = place(index, stage.name, "inputs", key, "from")
            for name in reads(edge):
                if name == stage.name:
                    yield Problem(where, f"{name!r} reads itself.", "Use `repeat` to apply a stage to its own output.")
                elif name not in known:
                    others = [other for other in known if other != stage.name]
                    yield Problem(where, f"{name!r} is unknown.", _way_out(name, others))


def _way_out(name: str, known: list[str]) -> str:
    declare = f"Declare it under `inputs`: {{{name[len(INPUT) :]}: {{channels: 3, size: [64, 64]}}}}. "
    return (declare if name.startswith(INPUT) else "") + f"{did_you_mean(name, known)}Known: {listed(known) or 'none'}."


def no_cycles(spec: CascadeSpec) -> Iterator[Problem]:
    """No stage waits for itself; asked only once names are right."""
    done = set(order(spec.stages))
    left = {stage.name: stage for index, stage in enumerate(spec.stages) if index not in done}
    if not left:
        return
    path, name = list[str](), next(iter(left))
    while name not in path:
        path.append(name)
        name = next(parent for parent in upstream(left[name]) if parent in left)
    ring = [*path[path.index(name) :], name]
    index = [stage.name for stage in spec.stages].index(name)
    what = f"{' reads '.join(map(repr, ring))}: a cycle."
    yield Problem(place(index, name, "inputs"), what, "Cut one of these edges, or use `repeat`.")


def used_inputs(spec: CascadeSpec) -> Iterator[Problem]:
    """What is declared is read by some stage."""
    edges = [edge for stage in spec.stages for edge in stage.inputs.values()]
    read = {name for edge in edges for name in reads(edge)}
    for name in spec.inputs:
        if INPUT + name not in read:
            what = f"is declared, but no stage reads {INPUT + name!r}."
            yield Problem(f"inputs.{name}", what, f"Read it with `from: {INPUT}{name}`, or remove it.")
    spaces = {stage.out.space for stage in spec.stages} | {given.space for given in spec.inputs.values()}
    for name in spec.codecs:
        if name not in spaces:
            what = "is declared, but no stage works in its space."
            yield Problem(f"codecs.{name}", what, f"Set `out.space: {name}` on a stage, or remove it.")


RULES = (own_names, known_parents, used_inputs)
