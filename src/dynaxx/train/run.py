"""Train a cascade: its stages one after another, each from where it stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch

from dynaxx.data.sample import Dataset
from dynaxx.engine.folder import save_head
from dynaxx.errors import UsageError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.problem import did_you_mean, listed
from dynaxx.spec.stage import DiffusionStage, RegressionStage
from dynaxx.train.folder import RunFolder, check_apart, settled
from dynaxx.train.lock import locked
from dynaxx.train.log import ReportTo
from dynaxx.train.machine import Machine
from dynaxx.train.material import Material, gather
from dynaxx.train.preview import chain_preview, write_picture
from dynaxx.train.session import Every, Session
from dynaxx.train.step import TrainStep
from dynaxx.train.stop import Stop, stopped


@final
@dataclass(frozen=True)
class Trained:
    """What a training did: the folder, and per stage how it was made; `skipped` were finished before."""

    folder: Path
    stages: dict[str, dict[str, Any]]
    skipped: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The record as plain data."""
        return {"folder": str(self.folder), "stages": self.stages, "skipped": list(self.skipped)}


def train(
    spec: CascadeSpec,
    *,
    out: Path | str,
    data: Dataset | None = None,
    root: Path | None = None,
    stages: Sequence[str] | None = None,
    device: str | None = None,
    every: Every | None = None,
    report_to: ReportTo | None = None,
    on_step: Callable[[TrainStep], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Trained:
    """Train the stages in the order of the graph into a cascade folder; the same call again goes on where it ended.

    A low input is the same data on the parent's grid, made noisy or blurred by the edge at levels that the stage is
    told. Stages that are finished, or bring `weights`, are not trained.

    Args:
        spec: the cascade.
        out: the folder, which `Cascade.from_pretrained` loads when all stages are finished.
        data: any dataset, in place of the one that the cascade names.
        root: where relative paths in the spec start.
        stages: train these only.
        device: `cpu`, `cuda`, ...; a GPU is taken where there is one.
        every: how often to log, to save, to draw pictures.
        report_to: an experiment tracker beside `log.jsonl`.
        on_step: called with every step.
        on_note: called with a sentence now and then.

    Raises:
        SpecError: if the cascade cannot be trained on this data.
        DataError: if the data cannot be used.
        RunError: if the loss stops being a number, or the folder holds another training.
        StoppedError: after SIGINT or SIGTERM, when the step is done and saved.
    """
    folder, machine = RunFolder(Path(out)), Machine.of(device)
    spec = settled(spec, root, folder.path)
    graph = nodes(spec)
    chosen, note = _chosen(spec, graph, stages), on_note or (lambda text: None)
    if data is None:
        check_apart(spec, folder.path)
    folder.make()
    with locked(folder.lock) if machine.first else nullcontext(), _own_draws(machine.device):
        material = _material(spec, data, folder, machine)
        session = Session(spec, graph, folder, material, device, every or Every(), report_to, on_step, note)
        for name in chosen:
            session.standing.check(name, chosen)
        skipped = [name for name in chosen if session.standing.finished(name)]
        machine.wait()  # until all have looked, before one changes anything
        if machine.first:
            save_head(spec, folder.path)  # only now: what is refused leaves a finished cascade as it was
        _fit(session, chosen, skipped, machine)
        if machine.first and all(session.standing.finished(name) for name in _trainable(graph)):
            shown = chain_preview(spec, graph, session.all_stages(), material, str(machine.device))
            write_picture(shown, folder.path / "samples.png")
    return Trained(folder.path, {name: folder.lineage(name) or {} for name in chosen}, tuple(skipped))


def _fit(session: Session, chosen: Sequence[str], skipped: Sequence[str], machine: Machine) -> None:
    with Stop() as stop:
        for name in chosen:
            if name in skipped:
                session.note(f"{name} is finished.")
            else:
                session.fit(name, stop)
            if asked := stop.anywhere(machine):
                raise stopped(f"stage {name!r}", asked)


def _material(spec: CascadeSpec, data: Dataset | None, folder: RunFolder, machine: Machine) -> Material:
    """The first process decodes and writes, the others read what it wrote."""
    if not machine.first:
        machine.wait()
        return gather(spec, data, root=folder.path, cache=folder.data, kept=True)
    material = gather(spec, data, root=folder.path, cache=folder.data)
    machine.wait()
    return material


def _own_draws(device: torch.device) -> AbstractContextManager[None]:
    """Training seeds torch's generators; the caller has theirs back afterwards."""
    return torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])


def _trainable(graph: Sequence[Node]) -> list[str]:
    """The stages that have something to learn, in order."""
    able = [node.stage for node in graph if isinstance(node.stage, DiffusionStage | RegressionStage)]
    return list(dict.fromkeys(stage.name for stage in able if not stage.weights))


def _chosen(spec: CascadeSpec, graph: Sequence[Node], asked: Sequence[str] | None) -> list[str]:
    able = _trainable(graph)
    for name in asked or ():
        if name not in able:
            fix = f"{did_you_mean(name, able)}It has: {listed(able)}."
            raise UsageError(f"stage {name!r}", "the cascade has no such stage to train.", fix)
    if not able:
        raise UsageError(spec.name, "has no stage that can be trained.", "Give one `kind: diffusion` or `regression`.")
    return [name for name in able if asked is None or name in asked]
