"""What is ready for which worker: batches of nodes, each as soon as all that it reads is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from dynaxx.plan.assign import Spread
from dynaxx.spec.graph import Node

WAITING = 8
"""Batches that count as waiting before a node that reads nothing: with all of them it would always come first."""


@final
@dataclass(frozen=True)
class Task:
    """Some samples of a node, which one device is to make."""

    node: Node
    part: slice

    @property
    def count(self) -> int:
        """How many samples."""
        return self.part.stop - self.part.start


@final
class Board:
    """Every node's samples are given out in order, to whichever of its devices asks; `begun` of them are there already.

    Of what is ready, a device takes the node of the largest pressure, (samples that wait before it - samples that wait
    after it) / (seconds of a sample): what many wait for comes first, what nobody could go on with last. Over long runs
    such a policy reaches the most that the devices can do (Dai and Lin 2005, Operations Research 53, 197). A device
    never waits while there is something that it could do.
    """

    def __init__(self, nodes: Sequence[Node], spread: Spread, total: int, *, begun: int = 0) -> None:
        self.total = total
        self._nodes, self._spread = tuple(nodes), spread
        self._given = {node.name: begun for node in nodes}
        self._there = {node.name: np.arange(total) < begun for node in nodes}
        self._each_s: dict[str, float] = {}

    def take(self, device: str, most: Callable[[Node], int]) -> Task | None:
        """What a device is to do now, at most so many samples of a node; None where nothing is ready for it."""
        tasks = [self._next(node, most(node)) for node in self._nodes if self._is_for(node, device)]
        ready = [task for task in tasks if task.count and self._ready(task)]
        if not ready:
            return None
        task = max(reversed(ready), key=lambda task: self._pressure(task.node, WAITING * most(task.node)))
        self._given[task.node.name] = task.part.stop
        return task

    def done(self, task: Task, took_s: float) -> None:
        """The samples are there for those who read them."""
        self._there[task.node.name][task.part] = True
        self._each_s[task.node.name] = took_s / task.count

    def left(self, device: str) -> bool:
        """Whether a device may still be asked for something."""
        return any(self._is_for(node, device) and self._given[node.name] < self.total for node in self._nodes)

    def _is_for(self, node: Node, device: str) -> bool:
        return device in self._spread[node.stage.name]

    def _next(self, node: Node, most: int) -> Task:
        begin = self._given[node.name]
        return Task(node, slice(begin, min(begin + most, self.total)))

    def _ready(self, task: Task) -> bool:
        """Whether all that a task reads is there; what nobody on the board makes was given."""
        return all(self._there[name][task.part].all() for name in self._reads(task.node))

    def _pressure(self, node: Node, waiting: int) -> float:
        given = self._given[node.name]
        before = min(
            (int(self._there[name].sum()) for name in self._reads(node)), default=min(self.total, given + waiting)
        )
        after = [self._given[other.name] for other in self._nodes if node.name in self._reads(other)]
        known = self._each_s.values()
        each_s = self._each_s.get(node.name) or (sum(known) / len(known) if known else 1.0)
        return (before - given - max((given - taken for taken in after), default=0)) / each_s

    def _reads(self, node: Node) -> list[str]:
        return [name for name in node.parents if name in self._there]
