"""The orders in which a cascade's nodes can be replaced by the truth; a linear cascade has one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dynaxx.spec.graph import Node

MOST = 6
"""Orders that shares are averaged over where parallel stages leave a choice."""


def orders(graph: Sequence[Node], most: int = MOST) -> list[tuple[str, ...]]:
    """Up to `most` orders in which every node comes after those it reads, the graph's own first."""
    names = {node.name for node in graph}
    reads = {node.name: {parent for parent in node.parents if parent in names} for node in graph}
    found: list[tuple[str, ...]] = []
    for order in _extensions((), reads):
        found.append(order)
        if len(found) == most:
            break
    return found


def _extensions(done: tuple[str, ...], reads: dict[str, set[str]]) -> Iterator[tuple[str, ...]]:
    if len(done) == len(reads):
        yield done
        return
    for name, needs in reads.items():
        if name not in done and needs <= set(done):
            yield from _extensions((*done, name), reads)
