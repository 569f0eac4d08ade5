"""A live cascade: stages built from a spec, ready to sample."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, final

from torch import Tensor

from dynaxx.engine.afford import afford
from dynaxx.engine.anew import built_anew, exact_stages
from dynaxx.engine.ask import Ask
from dynaxx.engine.batches import Batches
from dynaxx.engine.carry_out import carry_out
from dynaxx.engine.crew import Crew
from dynaxx.engine.folder import check_lineage, save
from dynaxx.engine.run import OnStep, Run
from dynaxx.engine.runtime import DEFAULT, Runtime
from dynaxx.engine.samples import Samples
from dynaxx.engine.seats import told_s
from dynaxx.engine.select import check_given, names_to_keep, select, to_decode, unfinished
from dynaxx.engine.trace import Trace
from dynaxx.engine.wording import Wording
from dynaxx.plan.events import codecs_of
from dynaxx.plan.fit.check import refuse_mismatches
from dynaxx.spec.bundled import resolve
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import load
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.identity import run_id
from dynaxx.spec.override import override
from dynaxx.stage.build import build_stages
from dynaxx.stage.codecs import Codecs
from dynaxx.stage.stage import Stage


@final
class Cascade:
    """Stages joined by edges, ready to sample.

    `Cascade.from_pretrained("emoji-exact").sample("red apple", num=4, seed=0)`
    """

    def __init__(
        self,
        spec: CascadeSpec,
        stages: Mapping[str, Stage],
        *,
        codecs: Codecs | None = None,
        root: Path | None = None,
        runtime: Runtime = DEFAULT,
    ) -> None:
        runtime.check(spec)
        self.spec, self.stages, self.root, self.runtime = spec, dict(stages), root, runtime
        self.codecs = codecs or Codecs(spec.codecs, root, runtime.allow_download)
        self._batches: dict[str, Batches] = {}

    def __repr__(self) -> str:
        return f"Cascade({self.spec.name}: {', '.join(self.stages)})"

    @classmethod
    def from_spec(
        cls, spec: CascadeSpec, *, root: Path | None = None, runtime: Runtime = DEFAULT, fresh: bool = False
    ) -> Cascade:
        """Build every stage; relative paths in the spec start at `root`; `fresh` gives networks random weights."""
        if not fresh:
            check_lineage(spec, root)
            refuse_mismatches(spec, root, size=runtime.size)
        graph = nodes(spec, size=runtime.size)
        stages = build_stages(
            spec, graph, root=root, fresh=fresh, allow_download=runtime.allow_download, mapped=runtime.frugal
        )
        return cls(spec, stages, root=root, runtime=runtime)

    @classmethod
    def from_pretrained(cls, path: str | Path, *, runtime: Runtime = DEFAULT) -> Cascade:
        """Load a cascade folder, a cascade file, or a bundled cascade by name."""
        file = resolve(path)
        return cls.from_spec(load(file), root=file.parent, runtime=runtime)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `cascade.yaml`, a card, codecs, and each stage's weights, contract and lineage; give the folder."""
        return save(self.spec, self.stages, Path(folder), codecs=self.codecs, size=self.runtime.size, words=self.words)

    def with_settings(self, settings: Mapping[str, Any]) -> Cascade:
        """This cascade with run-time settings changed, e.g. `{"bridge.solver.steps": 10}`; weights are shared.

        Raises:
            SpecError: if a path is unknown, or a setting needs other weights or does not fit a pretrained pipeline.
        """
        spec = override(self.spec, settings)
        unchanged = override(self.spec, {})  # which spells out every default too
        refuse_mismatches(spec, self.root, size=self.runtime.size, before=unchanged)
        return self._rebuilt(spec, self.runtime, built_anew(self.spec, spec))

    def resized(self, size: tuple[int, ...]) -> Cascade:
        """This cascade on another base grid; networks are shared, exact stages are built anew."""
        return self._rebuilt(self.spec, replace(self.runtime, size=size), exact_stages(self.spec))

    def sample(
        self,
        prompt: str | Sequence[str] | None = None,
        *,
        labels: int | Sequence[int] | Tensor | None = None,
        field: Tensor | None = None,
        num: int = 1,
        seed: int = 0,
        ids: Sequence[int] | None = None,
        size: tuple[int, ...] | None = None,
        given: Mapping[str, Tensor] | None = None,
        until: str | None = None,
        keep: bool | str | Collection[str] = False,
        decode: bool = False,
        on_step: OnStep | None = None,
    ) -> Samples:
        """Draw `num` samples for each prompt or label; sample k is the same whatever the batch, order or company.

        Args:
            prompt: one prompt, or several; None asks for nothing in particular.
            labels: class numbers, for cascades that take them.
            field: a signal `(B, C, *size)`, or `(C, *size)` for all samples, for cascades that take one.
            num: samples for each prompt or label.
            seed: of the random streams; with a sample's id it fixes every random number.
            ids: one per sample, in place of 0, 1, 2, ...
            size: of the base grid, in place of the file's.
            given: signals `(B, C, *size)` in [-1, 1] in place of what stages or the user's inputs would give:
                `{"input.image": x}`, or `{"base": x}` to begin at the stages that read `base`.
            until: stop after this stage.
            keep: keep every node's output and inputs, or those named.
            decode: give what latents stand for: `x` in pixels, and beside the latents that are kept their `decoded`.
            on_step: called with the node's name and each step.

        Raises:
            UsageError: if counts, names or shapes do not fit.
            RunError: if the memory does not do, or a codec is not there.
            SpecError: if a codec is another than the cascade says, or does not fit its grids.
        """
        if size is not None and size != self.runtime.size:
            return self.resized(size).sample(
                prompt, labels=labels, field=field, num=num, seed=seed, ids=ids, given=given, until=until, keep=keep,
                decode=decode, on_step=on_step,
            )  # fmt: skip
        graph, given = nodes(self.spec, size=self.runtime.size), dict(given or {})
        ask = Ask.of(
            prompt,
            labels,
            field,
            num=num,
            seed=seed,
            ids=ids,
            signals=list(given.values()),
            rank=len(graph[0].grid.size),
        )
        check_given(self.spec, graph, given, ask.total)
        chosen = select(graph, given, until)
        kept, last = names_to_keep(chosen, keep), chosen[-1].name
        shown = to_decode(chosen, kept) if decode else frozenset()
        batch, where = self.runtime.batch_size, self.runtime.gathers
        afford(
            chosen,
            ask.total,
            batch_size=batch,
            keep=kept,
            decode=shown,
            device=where,
            released=not self.runtime.spreads,
        )
        self.codecs.rehearse(graph, codecs_of(chosen, shown))
        run = self._run(chosen, unfinished(graph, given, ask.draws), ask, kept, on_step)
        carry_out(run, chosen, self.runtime, self._crew, keep={*run.keep, *given, last}, shown=shown)
        return run.samples(last, ask.prompts)

    @property
    def words(self) -> tuple[str, ...] | None:
        """The words that its stages were trained with, where its encoder brings others to them."""
        return self._wording.words

    def notes(self, prompts: Sequence[str]) -> tuple[str, ...]:
        """In words, which parts of the prompts are taken for something else, and which are not understood at all."""
        return self._wording.notes(prompts)

    @cached_property
    def _crew(self) -> Crew | None:
        """The workers on several devices, where stages are spread over some."""
        told = partial(told_s, self.spec, device=self.runtime.on)
        return Crew.of(self.runtime, self.stages, told) if self.runtime.spreads else None

    def _run(
        self,
        chosen: Sequence[Node],
        given: Mapping[str, Tensor],
        ask: Ask,
        keep: frozenset[str],
        on_step: OnStep | None,
    ) -> Run:
        runtime = self.runtime
        roots = {node.name: node.grid.size for node in chosen if not node.inputs}
        return Run(
            nodes={node.name: node for node in chosen}, stages=self.stages, draws=ask.draws, device=runtime.on,
            dtype=runtime.dtype, batch_size=runtime.batch_size, probe=runtime.probe, batches=self._batches,
            memory_cap=runtime.cap_bytes, levers=runtime.levers, keep=keep, on_step=on_step,
            codecs=self.codecs, encode=lambda: ask.encode(self.spec.condition, self._wording.encoder),
            trace=Trace(run_id(self.spec), ask.draws.seed, ask.draws.ids, str(runtime.on), roots, tuple(given)),
            outputs={name: x.to(runtime.on, runtime.dtype) for name, x in given.items()},
        )  # fmt: skip

    @cached_property
    def _wording(self) -> Wording:
        return Wording(self.spec, self.root, allow_download=self.runtime.allow_download)

    def _rebuilt(self, spec: CascadeSpec, runtime: Runtime, names: Collection[str]) -> Cascade:
        graph = nodes(spec, size=runtime.size)
        if self._crew is not None:
            self._crew.dismiss()
        fresh = build_stages(
            spec, graph, root=self.root, only=names, allow_download=runtime.allow_download, mapped=runtime.frugal
        )
        codecs = self.codecs if spec.codecs == self.spec.codecs else None
        return Cascade(spec, {**self.stages, **fresh}, codecs=codecs, root=self.root, runtime=runtime)
