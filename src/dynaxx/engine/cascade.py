"""A live cascade: stages built from a spec, ready to sample."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.engine.ask import Ask
from dynaxx.engine.folder import save
from dynaxx.engine.run import OnStep, Run
from dynaxx.engine.samples import Samples
from dynaxx.engine.select import check_given, select
from dynaxx.engine.trace import Trace
from dynaxx.errors import SpecError
from dynaxx.plan.events import Placement, events
from dynaxx.spec.bundled import resolve
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.files import load
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.identity import run_id, stage_weights_id
from dynaxx.spec.override import override
from dynaxx.stage.build import build_stages
from dynaxx.stage.stage import Stage


@final
@dataclass(frozen=True)
class Runtime:
    """How a cascade runs; none of it changes a sample by more than rounding, but for `size`.

    Args:
        device: `cpu`, `cuda`, ...; a GPU is taken where there is one.
        dtype: of the state.
        batch_size: samples that pass a stage at once.
        placement: `resident`, or `one-at-a-time` to hold the weights of a single stage on the device.
        size: of the base grid, where the cascade file fixes none.
    """

    device: str | None = None
    dtype: torch.dtype = torch.float32
    batch_size: int = 64
    placement: Placement = "resident"
    size: tuple[int, ...] | None = None

    @property
    def on(self) -> torch.device:
        """The device."""
        return torch.device(self.device or ("cuda" if torch.cuda.is_available() else "cpu"))


DEFAULT = Runtime()


@final
class Cascade:
    """Stages joined by edges, ready to sample.

    `Cascade.from_pretrained("emoji-exact").sample("red apple", num=4, seed=0)`
    """

    def __init__(
        self, spec: CascadeSpec, stages: Mapping[str, Stage], *, root: Path | None = None, runtime: Runtime = DEFAULT
    ) -> None:
        self.spec, self.stages, self.root, self.runtime = spec, dict(stages), root, runtime

    @classmethod
    def from_spec(
        cls, spec: CascadeSpec, *, root: Path | None = None, runtime: Runtime = DEFAULT, fresh: bool = False
    ) -> Cascade:
        """Build every stage; relative paths in the spec start at `root`; `fresh` gives networks random weights."""
        stages = build_stages(spec, nodes(spec, size=runtime.size), root=root, fresh=fresh)
        return cls(spec, stages, root=root, runtime=runtime)

    @classmethod
    def from_pretrained(cls, path: str | Path, *, runtime: Runtime = DEFAULT) -> Cascade:
        """Load a cascade folder, a cascade file, or a bundled cascade by name."""
        file = resolve(path)
        return cls.from_spec(load(file), root=file.parent, runtime=runtime)

    def save_pretrained(self, folder: str | Path) -> Path:
        """Write `cascade.yaml`, a card, and each stage's weights, contract and lineage; give the folder."""
        return save(self.spec, self.stages, Path(folder), size=self.runtime.size)

    def with_settings(self, settings: Mapping[str, Any]) -> Cascade:
        """This cascade with run-time settings changed, e.g. `{"bridge.solver.steps": 10}`; weights are shared.

        Raises:
            SpecError: if a path is unknown, or a setting would need other weights.
        """
        spec = override(self.spec, settings)
        for old, new in zip(self.spec.stages, spec.stages, strict=True):
            if stage_weights_id(self.spec, old.name) != stage_weights_id(spec, new.name):
                problem = "the settings change what was trained, not only how it runs."
                raise SpecError(f"stage {old.name!r}", problem, "Change the file and train.")
        return Cascade(spec, self.stages, root=self.root, runtime=self.runtime)

    def sample(
        self,
        prompt: str | Sequence[str] | None = None,
        *,
        labels: int | Sequence[int] | None = None,
        field: Tensor | None = None,
        num: int = 1,
        seed: int = 0,
        ids: Sequence[int] | None = None,
        size: tuple[int, ...] | None = None,
        given: Mapping[str, Tensor] | None = None,
        until: str | None = None,
        keep: bool | Collection[str] = False,
        on_step: OnStep | None = None,
    ) -> Samples:
        """Draw `num` samples for each prompt or label; sample k is the same whatever the batch, order or company.

        Args:
            prompt: one prompt, or several; None asks for nothing in particular.
            labels: class numbers, for cascades that take them.
            field: a signal `(B, C, *size)` known everywhere, for cascades that take one.
            num: samples for each prompt or label.
            seed: of the random streams; with a sample's id it fixes every random number.
            ids: one per sample, in place of 0, 1, 2, ...
            size: of the base grid, in place of the file's.
            given: signals `(B, C, *size)` in [-1, 1] in place of what stages or the user's inputs would give:
                `{"input.image": x}`, or `{"base": x}` to begin at the stages that read `base`.
            until: stop after this stage.
            keep: keep every node's output and inputs, or those named.
            on_step: called with the node's name and each step.

        Raises:
            UsageError: if counts, names or shapes do not fit.
        """
        graph, given = nodes(self.spec, size=size or self.runtime.size), dict(given or {})
        ask = Ask.of(prompt, labels, field, num=num, seed=seed, ids=ids, signals=list(given.values()))
        check_given(self.spec, graph, given, ask.total)
        chosen = select(graph, given, until)
        names = [node.name for node in chosen]
        kept = frozenset(names if keep is True else keep or ())
        run = self._run(chosen, given, ask, kept, on_step)
        with torch.inference_mode():
            for event in events(chosen, keep={*kept, *given, names[-1]}, placement=self.runtime.placement):
                run.execute(event)
        outputs = {name: run.outputs[name] for name in names if name in kept}
        return Samples(run.outputs[names[-1]], outputs, run.inputs, ask.prompts, run.trace)

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
            dtype=runtime.dtype, batch_size=runtime.batch_size, keep=keep, on_step=on_step,
            encode=lambda: ask.encode(self.spec.condition),
            trace=Trace(run_id(self.spec), ask.draws.seed, ask.draws.ids, str(runtime.on), roots, tuple(given)),
            outputs={name: x.to(runtime.on, runtime.dtype) for name, x in given.items()},
        )  # fmt: skip
