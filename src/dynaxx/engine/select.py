"""Which nodes a run needs: back from its last one, up to what the user gave."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches

import torch
from torch import Tensor

from dynaxx.errors import UsageError
from dynaxx.signal.random import Draws
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import Grid


def select(graph: Sequence[Node], given: Collection[str], until: str | None = None) -> list[Node]:
    """The nodes to run, in order: all that the last one (or `until`) needs and that is not given.

    Raises:
        UsageError: if `until` names no stage, or a needed input of the user's is missing.
    """
    last = _last(graph, until)
    reads: set[str] = set()
    by_name, needed, open_ends = {node.name: node for node in graph}, set(), [last.name]
    while open_ends:
        name = open_ends.pop()
        reads.add(name)
        if name in given or name in needed:
            continue
        if name not in by_name:
            fix = f"Give it: --input {name.removeprefix('input.')}=FILE, or given={{{name!r}: x}} in Python."
            raise UsageError(name, "the cascade needs this signal of yours.", fix)
        needed.add(name)
        open_ends += by_name[name].parents
    if not needed:
        raise UsageError("given", f"{last.name!r} is both given and the last stage, so nothing is left to run.")
    if unread := sorted(set(given) - reads):
        raise UsageError(f"given[{unread[0]!r}]", f"is read by no stage on the way to {last.name!r}.", "Leave it out.")
    chosen = [node for node in graph if node.name in needed]
    return [*chosen[:-1], replace(chosen[-1], stop_std=None)]  # nobody takes up what the last one would leave


def names_to_keep(chosen: Sequence[Node], keep: bool | str | Collection[str]) -> frozenset[str]:
    """The nodes whose outputs and inputs are kept: all, none, or those of the named nodes and stages.

    Raises:
        UsageError: if a name is none of them.
    """
    if isinstance(keep, bool):
        return frozenset(node.name for node in chosen if keep)
    wanted = {keep} if isinstance(keep, str) else set(keep)
    for name in wanted - {known for node in chosen for known in (node.name, node.stage.name)}:
        raise _unknown(name, chosen)
    return frozenset(node.name for node in chosen if wanted & {node.name, node.stage.name})


def to_decode(chosen: Sequence[Node], keep: Collection[str]) -> frozenset[str]:
    """The nodes whose latents are shown as what they stand for: the last one, and those that are kept."""
    latent = [node.name for node in chosen if node.decoded is not None]
    return frozenset(name for name in latent if name in keep or name == chosen[-1].name)


def unfinished(graph: Sequence[Node], given: Mapping[str, Tensor], draws: Draws) -> dict[str, Tensor]:
    """The given signals, with noise put on those that stand for a state handed over unfinished: `x + std eps`."""
    found = dict(given)
    for node in graph:
        if node.name in found and node.stop_std is not None:
            x = found[node.name]
            eps = draws.scoped(node.name).normal("hand", node.grid.shape, device=x.device, dtype=x.dtype)
            found[node.name] = x + node.stop_std * eps
    return found


def parent_of(graph: Sequence[Node], stage: str) -> str:
    """The one signal that a run beginning at `stage` replaces: what its `low` input reads.

    Raises:
        UsageError: if there is no such stage, or its low input is not a single signal.
    """
    node = next((node for node in graph if stage in (node.name, node.stage.name)), None)
    if node is None:
        raise _unknown(stage, graph)
    low = node.inputs.get("low")
    if low is None or len(low.parents) != 1:
        fix = "Begin at another stage, or name the signals one by one with `given`."
        raise UsageError(f"stage {stage!r}", "has no single low input to begin from.", fix)
    return low.parents[0]


def signal_grids(spec: CascadeSpec, graph: Sequence[Node]) -> dict[str, Grid]:
    """The grid of every signal that can be given: the nodes' answers, and the user's inputs as `input.NAME`."""
    users = {f"input.{name}": Grid(due.channels, due.size, due.space) for name, due in spec.inputs.items()}
    return {node.name: node.grid for node in graph} | users


def in_turns(x: Tensor, count: int) -> Tensor:
    """`count` signals of `x (n, C, *size)`: from the first on again where there are fewer."""
    return x.expand(count, *x.shape[1:]) if len(x) == 1 else x[torch.arange(count) % len(x)]


def check_given(spec: CascadeSpec, graph: Sequence[Node], given: Mapping[str, Tensor], total: int) -> None:
    """See that every given signal has a known name and the shape of its grid.

    Raises:
        UsageError: naming the signal, its shape and the one that is due.
    """
    due = {name: grid.shape for name, grid in signal_grids(spec, graph).items()}
    for name, x in given.items():
        if name not in due:
            raise UsageError(f"given[{name!r}]", "no such stage or input.", f"Known: {', '.join(due)}.")
        if tuple(x.shape) != (total, *due[name]):
            problem = f"has shape {tuple(x.shape)} where {(total, *due[name])} is due."
            raise UsageError(f"given[{name!r}]", problem, "Resize it, or set the size of that stage or input.")
        if not x.isfinite().all():
            raise UsageError(f"given[{name!r}]", "holds NaN or infinite values.", "Give numbers in [-1, 1].")


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
