"""Runs of one cascade for the probes: any node on any inputs, with the same random numbers, each run made once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from torch import Tensor

from dynaxx.engine.cascade import Cascade
from dynaxx.lens.fingerprint import digest_of, fingerprint
from dynaxx.lens.kept import Kept
from dynaxx.lens.reference import Reference
from dynaxx.noise.solve.step import Step
from dynaxx.plan.walk import network_calls
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.plain import plain


@final
@dataclass
class Taps:
    """A cascade taken apart: `answer` runs one node, `chain` all of them with the truth in place of some.

    Sample i is asked for what signal i of the reference is, and drawn with the random numbers of (seed, node, i)
    everywhere, so that two runs differ only where their inputs or settings do. What was run before, by this or by an
    earlier object that shared the folder of `kept`, is not run again; `evaluations` counts network evaluations of one
    sample, as if nothing had been kept.
    """

    cascade: Cascade
    prompts: tuple[str, ...]
    labels: tuple[int, ...]
    count: int
    seed: int = 0
    given: Mapping[str, Tensor] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)
    on_step: Callable[[str, Step], None] | None = None
    evaluations: int = 0

    @classmethod
    def of(
        cls,
        cascade: Cascade,
        reference: Reference,
        *,
        seed: int = 0,
        given: Mapping[str, Tensor] | None = None,
        folder: Path | None = None,
        on_step: Callable[[str, Step], None] | None = None,
    ) -> Taps:
        """Taps whose samples are asked for what the reference's signals are; `given` holds the user's inputs."""
        return cls(
            cascade, reference.prompts, reference.labels, len(reference), seed, given or {}, Kept(folder), on_step
        )

    @property
    def graph(self) -> tuple[Node, ...]:
        """The cascade's nodes, each after those it reads."""
        return nodes(self.cascade.spec, size=self.cascade.runtime.size)

    def node(self, name: str) -> Node:
        """The node of that name."""
        return next(node for node in self.graph if node.name == name)

    def chain(
        self,
        replaced: Mapping[str, Tensor] | None = None,
        *,
        cascade: Cascade | None = None,
        rows: Sequence[int] | None = None,
        until: str | None = None,
    ) -> dict[str, Tensor]:
        """Every node's output, `replaced` ones as given, the rest run on what came before them.

        A node that hands its state over unfinished is run again with the one that takes it up. `rows`: of some samples;
        `until`: no further than this node.
        """
        replaced = replaced or {}
        index = list(range(self.count) if rows is None else rows)
        given = {name: x[index] for name, x in self.given.items()}
        found: dict[str, Tensor] = {**given, **replaced}
        for node in self.graph:
            if node.name not in found:
                finished = {**given, **replaced}
                found[node.name] = self.answer(node.name, found, cascade=cascade, finished=finished, rows=rows)
            if node.name == until:
                break
        return {node.name: found[node.name] for node in self.graph if node.name in found}

    def answer(
        self,
        name: str,
        inputs: Mapping[str, Tensor],
        *,
        cascade: Cascade | None = None,
        finished: Collection[str] | None = None,
        rows: Sequence[int] | None = None,
        prompts: Sequence[str] | None = None,
        labels: Sequence[int] | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """What one node answers to `inputs`, by the names it reads, `(n, C, *size)`.

        `finished` names the inputs that are whole signals where the node reads an unfinished state (all of them, if
        nothing is said); `rows` are the samples that the inputs stand for.
        """
        cascade = cascade or self.cascade
        graph = {node.name: node for node in nodes(cascade.spec, size=cascade.runtime.size)}
        given = {key: inputs[key] for key in _read(graph, name, inputs if finished is None else finished, inputs)}
        index = list(range(self.count) if rows is None else rows)
        asked = [self.prompts[i] for i in index] if prompts is None and self.prompts else list(prompts or ())
        labels = [self.labels[i] for i in index] if labels is None and self.labels else list(labels or ())
        seed = self.seed if seed is None else seed
        run = [node for node in graph.values() if node.name == name or _between(graph, node.name, name, given)]
        self.evaluations += sum(network_calls(node) for node in run)

        def draw() -> Tensor:
            return cascade.sample(
                asked or None, labels=labels or None, num=1 if asked or labels else len(index), seed=seed, ids=index,
                given=given, until=name, on_step=self.on_step,
            ).x.cpu()  # fmt: skip

        prints = [fingerprint(cascade.stages[node.stage.name]) for node in run]
        if None in prints:
            prints = [p or f"object {id(cascade.stages[n.stage.name])}" for p, n in zip(prints, run, strict=True)]
        made_of = digest_of(
            given.values(), sorted(given), [_said(node) for node in run], prints, asked, labels, seed, index,
            plain(cascade.spec.condition), cascade.words, str(cascade.runtime.dtype),
        )  # fmt: skip
        return self.kept.get(made_of, draw, lasting=not any(p.startswith("object") for p in prints if p))


def _read(graph: Mapping[str, Node], name: str, finished: Collection[str], have: Mapping[str, Tensor]) -> list[str]:
    """What has to be given to a node: its parents, and in place of an unfinished one what that one reads."""
    found: list[str] = []
    for parent in graph[name].parents:
        unfinished = parent in graph and graph[parent].stop_std is not None and parent not in finished
        found += _read(graph, parent, finished, have) if unfinished or parent not in have else [parent]
    return list(dict.fromkeys(found))


def _between(graph: Mapping[str, Node], name: str, last: str, given: Collection[str]) -> bool:
    """Whether a node has to be run on the way from what is given to the last one."""
    parents = graph[last].parents
    return any(
        parent not in given and parent in graph and (parent == name or _between(graph, name, parent, given))
        for parent in parents
    )


def _said(node: Node) -> object:
    """All that the node's spec says of this application."""
    edges = {key: (given.parents, plain(given.edge)) for key, given in sorted(node.inputs.items())}
    return node.name, plain(node.stage), edges, str(node.grid), node.stop_std
