"""What settings are tried on: held-out signals in blocks, the same random numbers for all, nothing run twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.evolve.tune.choice import Choice
from dynaxx.evolve.tune.score import Truth, draws_for
from dynaxx.lens.fingerprint import digest_of, fingerprint
from dynaxx.lens.inputs import stand_ins
from dynaxx.lens.kept import Kept
from dynaxx.lens.reference import Reference
from dynaxx.lens.taps import Taps
from dynaxx.metrics.pairwise import Pairwise
from dynaxx.noise.solve.step import Step
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.plain import plain
from dynaxx.stage.stage import Stage

UNTUNED = "Tune the cascade without it: inputs are made of the data here."
BLOCK = 16
"""Signals that are tried at once: few enough that a poor choice is soon dropped."""


@final
@dataclass
class Bed:
    """A cascade and held-out signals; sample i has the random numbers of (seed, node, i) whatever is tried.

    Features of answers are kept below `folder` by all that they depend on, so that a search that was stopped goes on;
    the answers themselves only in memory, where later stages are tried on them.
    """

    cascade: Cascade
    reference: Reference
    seed: int = 0
    folder: Path | None = None
    on_step: Callable[[str, Step], None] | None = None
    _cascades: dict[Choice, Cascade] = field(default_factory=dict)
    _truths: dict[tuple[int, ...], Truth] = field(default_factory=dict)
    _prints: dict[int, str | None] = field(default_factory=dict)

    @property
    def graph(self) -> tuple[Node, ...]:
        """The cascade's nodes."""
        return self.taps.graph

    @property
    def blocks(self) -> int:
        """How many blocks there are; the last may be smaller."""
        return -(-len(self.reference) // BLOCK)

    @cached_property
    def draws(self) -> int:
        """Draws for each signal."""
        return draws_for(self.reference)

    @cached_property
    def kept(self) -> Kept:
        """The features of what was tried."""
        return Kept(self.folder)

    @cached_property
    def taps(self) -> Taps:
        """Runs of the cascade, `draws` samples for each signal, one after another."""
        every = [i for i in range(len(self.reference)) for _ in range(self.draws)]
        inputs = stand_ins(self.cascade.spec, self.reference, fix=UNTUNED)
        given = {name: x[every] for name, x in inputs.items()}
        return Taps.of(self.cascade, self.reference.take(every), seed=self.seed, given=given, on_step=self.on_step)

    def forget(self) -> None:
        """Let go of all answers."""
        self.__dict__.pop("taps", None)

    def with_(self, choice: Choice) -> Cascade:
        """The cascade with a choice's settings; weights are shared.

        Raises:
            SpecError: where they cannot be meant.
        """
        if choice not in self._cascades:
            settings = dict(choice.settings)
            self._cascades[choice] = self.cascade.with_settings(settings) if settings else self.cascade
        return self._cascades[choice]

    def score(self, choice: Choice, node: Node, blocks: int) -> Pairwise:
        """The score of a node's answers over the first blocks."""
        return self._truth(node).score(self._first(choice, node, blocks))

    def distance(self, choice: Choice, node: Node, blocks: int) -> Pairwise:
        """MMD^2 between a node's answers over the first blocks, the first draw for each signal, and these signals."""
        return self._truth(node).distance(self._first(choice, node, blocks))

    def _first(self, choice: Choice, node: Node, blocks: int) -> Tensor:
        return torch.cat([self._features(choice, node, block) for block in range(blocks)])

    def _truth(self, node: Node) -> Truth:
        size = node.grid.size
        if size not in self._truths:
            self._truths[size] = Truth(self.reference.truth(node), self.draws)
        return self._truths[size]

    def _features(self, choice: Choice, node: Node, block: int) -> Tensor:
        cascade, extractor = self.with_(choice), Truth.features
        first, last = block * BLOCK, min((block + 1) * BLOCK, len(self.reference))
        rows = range(self.draws * first, self.draws * last)

        def make() -> Tensor:
            return extractor(self.taps.chain(cascade=cascade, rows=rows, until=node.name)[node.name])

        key, lasting = self._key(cascade, node, rows)
        return self.kept.get(key, make, lasting=lasting)

    def _key(self, cascade: Cascade, node: Node, rows: range) -> tuple[str, bool]:
        """All that a node's features depend on, and whether anybody knows all of it."""
        upto: list[Node] = []
        for each in nodes(cascade.spec, size=cascade.runtime.size):
            upto.append(each)
            if each.name == node.name:
                break
        prints = [self._print(cascade.stages[each.stage.name]) for each in upto]
        said = [(e.name, plain(e.stage), str(e.grid), e.stop_std) for e in upto]
        made_of = digest_of(
            [], said, prints, self._truth_print, self.draws, self.seed, rows, Truth.features.name,
            plain(cascade.spec.condition), cascade.words, str(cascade.runtime.dtype), sorted(self.taps.given),
        )  # fmt: skip
        return made_of, None not in prints

    @cached_property
    def _truth_print(self) -> str:
        return self.reference.fingerprint

    def _print(self, stage: Stage) -> str | None:
        """The stage's fingerprint, taken once: its weights are not changed here."""
        if id(stage) not in self._prints:
            self._prints[id(stage)] = fingerprint(stage)
        return self._prints[id(stage)]
