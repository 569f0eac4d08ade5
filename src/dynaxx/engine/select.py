"""Which nodes a run needs: back from its last one, up to what the user gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node


def select(graph: Sequence[Node], given: Mapping[str, Tensor], until: str | None = None) -> list[Node]:
    """The nodes to run, in order: all that the last one (or `until`) needs and that is not given.

    Raises:
        UsageError: if `until` names no stage, or a needed input of the user's is missing.
    """
    last = _last(graph, until)
    by_name, needed, open_ends = {node.name: node for node in graph}, set(), [last.name]
    while open_ends:
        name = open_ends.pop()
        if name in given or name in needed:
            continue
        if name not in by_name:
            raise UsageError(name, "the cascade needs this signal of yours.", f"Give it: given={{{name!r}: x}}.")
        needed.add(name)
        open_ends += by_name[name].parents
    if not needed:
        raise UsageError("given", f"{last.name!r} is both given and the last stage, so nothing is left to run.")
    return [node for node in graph if node.name in needed]


def parent_of(graph: Sequence[Node], stage: str) -> str:
    """The one signal that a run beginning at `stage` replaces: what its `low` input reads.

    Raises:
        UsageError: if there is no such stage, or its low input is not a single signal.
    """
    node = next((node for node in graph if node.stage.name == stage), None)
    if node is None:
        raise _unknown(stage, graph)
    low = node.inputs.get("low")
    if low is None or len(low.parents) != 1:
        fix = "Begin at another stage, or name the signals one by one with `given`."
        raise UsageError(f"stage {stage!r}", "has no single low input to begin from.", fix)
    return low.parents[0]


def check_given(spec: CascadeSpec, graph: Sequence[Node], given: Mapping[str, Tensor], total: int) -> None:
    """See that every given signal has a known name and the shape of its grid.

    Raises:
        UsageError: naming the signal, its shape and the one that is due.
    """
    due = {node.name: node.grid.shape for node in graph}
    due |= {f"input.{name}": (wanted.channels, *wanted.size) for name, wanted in spec.inputs.items()}
    for name, x in given.items():
        if name not in due:
            raise UsageError(f"given[{name!r}]", "no such stage or input.", f"Known: {', '.join(due)}.")
        if tuple(x.shape) != (total, *due[name]):
            problem = f"has shape {tuple(x.shape)} where {(total, *due[name])} is due."
            raise UsageError(f"given[{name!r}]", problem, "Resize it, or set the size of that stage or input.")


def _last(graph: Sequence[Node], until: str | None) -> Node:
    if until is None:
        return graph[-1]
    found = [node for node in graph if until in (node.name, node.stage.name)]
    if not found:
        raise _unknown(until, graph)
    return found[-1]


def _unknown(name: str, graph: Sequence[Node]) -> UsageError:
    known = list(dict.fromkeys(node.stage.name for node in graph))
    near = get_close_matches(name, known, n=1)
    return UsageError(f"stage {name!r}", "no such stage.", f"Did you mean {near[0]!r}?" if near else f"Known: {known}.")
