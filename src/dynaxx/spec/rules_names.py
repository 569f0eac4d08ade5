"""Rules on names: every stage has its own, and every edge reads something that exists and comes before it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dynaxx.spec.grid import PIXELS
from dynaxx.spec.problem import Problem, did_you_mean, listed, place
from dynaxx.spec.topology import INPUT, order, reads, upstream

if TYPE_CHECKING:
    from dynaxx.spec.cascade import CascadeSpec


def own_names(spec: CascadeSpec) -> Iterator[Problem]:
    """Stage names are unique, and none is a key of the cascade, so that a setting's path has one meaning."""
    first: dict[str, int] = {}
    reserved = {"input", *type(spec).model_fields}
    for index, stage in enumerate(spec.stages):
        where = place(index, stage.name, "name")
        if stage.name in reserved:
            yield Problem(where, f"{stage.name!r} is reserved: it names a part of the cascade.", "Choose another name.")
        if stage.name in first:
            what = f"{stage.name!r} is also the name of stages.{first[stage.name]}."
            yield Problem(where, what, "Give each stage a name of its own.")
        first.setdefault(stage.name, index)


def known_parents(spec: CascadeSpec) -> Iterator[Problem]:
    """An edge reads stages of this cascade, or declared inputs, and not its own stage."""
    names = [stage.name for stage in spec.stages]
    known = names + [INPUT + name for name in spec.inputs]
    for index, stage in enumerate(spec.stages):
        others = [other for other in known if other != stage.name]
        for key, edge in stage.inputs.items():
            for name in edge.parents:
                where = place(index, stage.name, "inputs", key, "from")
                if name == stage.name and names.count(name) == 1:
                    yield Problem(where, f"{name!r} reads itself.", "Use `repeat` to apply a stage to its own output.")
                elif name not in known:
                    yield Problem(where, f"{name!r} is unknown.", _way_out(name, others, channels=3))
            if edge.mask and edge.mask not in known:
                where = place(index, stage.name, "inputs", key, "mask")
                yield Problem(where, f"{edge.mask!r} is unknown.", _way_out(edge.mask, others, channels=1))


def _way_out(name: str, known: list[str], *, channels: int) -> str:
    declare = f"Declare it under `inputs`: {{{name[len(INPUT) :]}: {{channels: {channels}, size: [64, 64]}}}}. "
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


def used_codecs(spec: CascadeSpec) -> Iterator[Problem]:
    """A codec's space is worked in, and none is called `pixels`."""
    spaces = {stage.out.space for stage in spec.stages} | {given.space for given in spec.inputs.values()}
    for name in spec.codecs:
        if name == PIXELS:
            yield Problem(f"codecs.{name}", "is reserved for signals as they are.", "Choose another name.")
        elif name not in spaces:
            what = "is declared, but no stage works in its space."
            yield Problem(f"codecs.{name}", what, f"Set `out.space: {name}` on a stage, or remove it.")


def input_spaces(spec: CascadeSpec) -> Iterator[Problem]:
    """A user's signal in a latent space lies in that of a declared codec, with its channels."""
    for name, given in spec.inputs.items():
        for key, what, fix in codec_faults(spec, given.space, given.channels):
            yield Problem(f"inputs.{name}.{key}", what, fix)


def codec_faults(spec: CascadeSpec, space: str, channels: int) -> Iterator[tuple[str, str, str]]:
    """What keeps a signal from lying in a space: (key, what, fix)."""
    if space == PIXELS:
        return
    codec = spec.codecs.get(space)
    if codec is None:
        fix = f"{did_you_mean(space, spec.codecs)}Declare it under `codecs`. Known: {listed([PIXELS, *spec.codecs])}."
        yield "space", f"names the codec {space!r}, which is not declared.", fix
    elif codec.channels != channels:
        yield (
            "channels",
            f"is {channels}, but codec {space!r} has {codec.channels} channels.",
            f"Set it to {codec.channels}.",
        )


NAMES = (own_names, known_parents)
"""Without these, nothing can be said of order and grids."""
DECLARED = (used_inputs, used_codecs, input_spaces)
