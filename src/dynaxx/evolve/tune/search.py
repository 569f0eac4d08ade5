"""The search: each stage by itself on its own grid, then the best of all stages together, inside a bound."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import log
from typing import final

from dynaxx.evolve.tune.bed import Bed
from dynaxx.evolve.tune.choice import Choice, manners, walks
from dynaxx.evolve.tune.cost import Cost, Costs
from dynaxx.evolve.tune.race import Entrant, Ran, Round, front, race
from dynaxx.metrics import front as fronts
from dynaxx.spec.graph import Node

STAGES_SHARE, TOGETHER_SHARE = 0.5, 0.8
"""Shares of the budget by which stages, and all together, are done with; the rest is for fresh samples."""
TOGETHER = 16
"""Combinations of the stages' best that are tried."""
LOSING = 0.02
"""What a walk that was not tried is taken to lose of its score when its cost falls by a factor of e."""
EVEN = 0.01
"""Of choices whose scores differ by less than this share the cheapest is taken."""
SHARE = 0.5
"""What is allowed of the present work where nobody says."""


@final
@dataclass(frozen=True)
class Bound:
    """What a sample may cost: a share of what it costs now, a latency, both, or (None) whatever it does."""

    share: float | None = None
    latency_s: float | None = None

    @classmethod
    def of(cls, share: float | None, latency_s: float | None) -> Bound:
        """What was said; where nothing was, half of the work."""
        return cls(SHARE) if share is None and latency_s is None else cls(share, latency_s)

    def holds(self, cost: Cost, now: Cost) -> bool:
        """Whether a cost lies inside."""
        slow = self.latency_s is not None and (cost.latency_s is None or cost.latency_s > self.latency_s)
        dear = self.share is not None and cost.total > self.share * now.total * (1 + 1e-9)
        return not slow and not dear


@final
@dataclass(frozen=True)
class Tried:
    """One round of the search: of which stage (or `together`), and of what."""

    part: str
    what: str
    round: Round


@final
@dataclass(frozen=True)
class Kept:
    """A stage's choice that is worth its cost: what its score is below the best one, on the stage's own grid."""

    choice: Choice
    cost: float
    loss: float


@final
@dataclass
class Search:
    """Goes through `steps()`, then knows its `best`; stops in time, and takes up what earlier searches measured."""

    bed: Bed
    costs: Costs
    bound: Bound
    budget_s: float
    kept: dict[str, list[Kept]] = field(default_factory=dict)
    curves: dict[str, tuple[Ran, ...]] = field(default_factory=dict)
    _start: float = field(default_factory=time.monotonic)
    _upstream: Choice = field(default_factory=Choice)

    @property
    def used(self) -> float:
        """The share of the budget that is spent."""
        return (time.monotonic() - self._start) / self.budget_s

    def steps(self) -> Iterator[Tried]:
        """Yield every round of every race."""
        stages = list({node.stage.name: node for node in self.bed.graph}.values())  # a repeated one by its last node
        for index, node in enumerate(stages):
            until = STAGES_SHARE * (index + 1) / len(stages)
            yield from self._stage(node, until)
        yield from self._together()

    def _stage(self, node: Node, until: float) -> Iterator[Tried]:
        name, told, cheap = node.stage.name, Choice(), Choice()
        for knob in manners(node, self.bed.cascade.root):
            entrants = [told, *(told | choice for choice in knob)]
            ran = yield from self._race(node, entrants, _named(knob), until)
            if ran:
                told = most.choice if (most := best_of(ran)).surely_better(ran[0]) else told
                cheap = front(ran)[0].choice
        ways = [Choice(), *walks(node)]
        entrants = [told, Choice(), *(manner | way for manner in dict.fromkeys((told, cheap)) for way in ways)]
        ran = yield from self._race(node, entrants, "walk", until)
        if ran:
            most = best_of(ran)
            self.kept[name] = [Kept(one.choice, one.cost, most.score.value - one.score.value) for one in front(ran)]
            self.curves[name] = tuple(ran)
            self._upstream |= most.choice
        else:
            self.kept[name] = self._untried(node, told)
            self._upstream |= told

    def _untried(self, node: Node, told: Choice) -> list[Kept]:
        """The walks of a stage that there was no time for: fewer evaluations are taken to lose a little."""
        found = dict.fromkeys([told, *(told | way for way in walks(node))])
        costs = {choice: self._cost(self._upstream | choice).by_stage[node.stage.name] for choice in found}
        most = max(costs.values())
        return [Kept(choice, cost, LOSING * log(most / cost)) for choice, cost in costs.items()]

    def _race(
        self, node: Node, choices: Sequence[Choice], what: str, until: float
    ) -> Generator[Tried, None, list[Ran]]:
        """A race on a node's own grid, behind the best that was found for the stages before; gives its last round."""
        stage, before = node.stage.name, self._upstream
        entrants = [
            Entrant(c, self.costs.of(self.bed.with_(before | c)).by_stage[stage]) for c in dict.fromkeys(choices)
        ]
        last: list[Ran] = []
        if len(entrants) < 2:
            return last
        for done in race(
            entrants, lambda choice, blocks: self.bed.score(before | choice, node, blocks), blocks=self.bed.blocks,
            more=lambda: self.used < until,
        ):  # fmt: skip
            last = list(done.stay)
            yield Tried(stage, what, done)
        return last

    def _together(self) -> Iterator[Tried]:
        node = self.bed.graph[-1]
        entrants = [Entrant(choice, self._cost(choice).total) for choice in (Choice(), *self._combined())]
        for done in race(
            entrants, lambda choice, blocks: self.bed.score(choice, node, blocks), blocks=self.bed.blocks,
            more=lambda: self.used < TOGETHER_SHARE,
        ):  # fmt: skip
            self.curves["together"] = done.stay
            yield Tried("together", "the best of each stage", done)

    def _combined(self) -> list[Choice]:
        """Combinations inside the bound, those first that should be best at their cost: losses and costs add."""
        now, found = self._cost(Choice()), list[Kept]()
        for parts in product(*self.kept.values()):
            choice = Choice()
            for part in parts:
                choice |= part.choice
            cost = self._cost(choice)
            if choice.settings and self.bound.holds(cost, now):
                found.append(Kept(choice, cost.total, sum(part.loss for part in parts)))
        chosen: list[Kept] = []
        while found and len(chosen) < TOGETHER:
            layer = fronts.front(found, lambda one: (one.cost, one.loss))
            chosen += sorted(layer, key=lambda one: one.loss)[: TOGETHER - len(chosen)]
            found = [one for one in found if one not in layer]
        return [one.choice for one in chosen]

    def _cost(self, choice: Choice) -> Cost:
        return self.costs.of(self.bed.with_(choice))

    @property
    def least(self) -> Cost:
        """What the cheapest combination of the stages' best takes."""
        cheapest = Choice()
        for kept in self.kept.values():
            cheapest |= min(kept, key=lambda one: one.cost).choice
        return self._cost(cheapest)

    @property
    def best(self) -> Choice | None:
        """The best score inside the bound; of those that are as good, the cheapest. None where nothing lies inside."""
        now = self._cost(Choice())
        inside = [one for one in self.curves.get("together", ()) if self.bound.holds(self._cost(one.choice), now)]
        if not inside:
            return None
        most = max(one.score.value for one in inside)
        even = [one for one in inside if one.score.value >= most - EVEN * abs(most)]
        return min(even, key=lambda one: one.cost).choice


def best_of(ran: Sequence[Ran]) -> Ran:
    """The one with the best score."""
    return max(ran, key=lambda one: one.score.value)


def _named(knob: Sequence[Choice]) -> str:
    path = knob[0].settings[0][0]
    return "guidance" if "guidance" in path.rpartition(".")[2] else "level"
