"""The error table: how far the cascade is from the truth with its first stages replaced by the truth.

    E[j][k] = d(answers of node k with nodes 1 .. j true, the truth at k)
    own_k   = E[k-1][k]                      what the node does wrong on true inputs
    gap_k   = E[0][k] - E[k-1][k]            what it does worse on the inputs it really gets
    share_j = E[j-1][K] - E[j][K]            what node j adds to the final error; they sum to E[0][K] - E[K][K]
    carry_k = (d(D chain_k) - d(D own_k)) / d(chain_(k-1))     on the low grid: above 1 errors are amplified

d is MMD^2 on features, unbiased; all entries are measured on the same samples and random numbers, so that
differences have paired intervals. Where parallel stages leave a choice of order, shares are averaged over orders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from torch import Tensor

from dynaxx.lens.alarms import alarms
from dynaxx.lens.bench import Bench
from dynaxx.lens.orders import orders
from dynaxx.metrics.interval import CONFIDENCE, Interval
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.metrics.ratio import ratio
from dynaxx.spec.graph import Node


@final
@dataclass(frozen=True)
class ErrorTable:
    """`entries[j][k]` for j = 0 .. K by node name; below the diagonal nodes are true themselves, and have the floor.

    `sure_carry` is carry with intervals at the confidence at which alarms hold over the whole report.
    """

    names: tuple[str, ...]
    entries: tuple[Mapping[str, Pairwise], ...]
    own: Mapping[str, Pairwise]
    gap: Mapping[str, Pairwise]
    share: Mapping[str, Pairwise]
    carry: Mapping[str, Interval]
    sure_carry: Mapping[str, Interval]

    @property
    def score(self) -> Pairwise:
        """E[0][K], the distance of the cascade's samples from the truth."""
        return self.entries[0][self.names[-1]]

    @property
    def floor(self) -> Pairwise:
        """E[K][K]: the truth against itself."""
        return self.entries[-1][self.names[-1]]


def error_table(bench: Bench) -> ErrorTable:
    """Measure every entry, from as many runs as there are nodes."""
    graph, last = bench.graph, bench.last.name
    tables = {order: _entries(bench, order) for order in orders(graph)}
    main = tuple(node.name for node in graph)
    own = {node.name: bench.distance(bench.own(node), node) for node in graph}
    entries = tables[main]
    gap = {name: entries[0][name] - own[name] for name in main}
    share = {name: _mean([_share(table, order, name, last) for order, table in tables.items()]) for name in main}
    parts = {node.name: found for node in bench.later() if (found := _carried(bench, node)) is not None}
    carry, sure = (
        {name: ratio(top, bottom, confidence) for name, (top, bottom) in parts.items()}
        for confidence in (CONFIDENCE, alarms(bench).confidence)
    )
    return ErrorTable(main, entries, own, gap, share, carry, sure)


def _entries(bench: Bench, order: tuple[str, ...]) -> tuple[Mapping[str, Pairwise], ...]:
    found = []
    for j in range(len(order) + 1):
        true = {name: bench.truths[name] for name in order[:j]}
        answers = bench.taps.chain(true)
        found.append({node.name: bench.distance(answers[node.name], node) for node in bench.graph})
    return tuple(found)


def _share(table: tuple[Mapping[str, Pairwise], ...], order: tuple[str, ...], name: str, last: str) -> Pairwise:
    j = order.index(name)
    return table[j][last] - table[j + 1][last]


def _mean(parts: list[Pairwise]) -> Pairwise:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total * (1 / len(parts))


def _carried(bench: Bench, node: Node) -> tuple[Pairwise, Pairwise] | None:
    """What a node carries on of an error, and what it received, both on the low grid."""
    before = next((other for other in bench.graph if other.name == bench.low(node).parents[0]), None)
    if before is None:
        return None

    def distance(x: Tensor) -> Pairwise:
        return bench.distance(x, before)

    received = distance(bench.joined(node, {**bench.given, **bench.chain}))
    chain, own = (distance(bench.down(x, node)) for x in (bench.chain[node.name], bench.own(node)))
    return chain - own, received
