"""Train a cascade: its stages one after another, each from where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from dynaxx.data.sample import Dataset
from dynaxx.engine.folder import copy_codecs, house_codecs, save_head
from dynaxx.engine.stop import Stop
from dynaxx.errors import UsageError
from dynaxx.signal.device import same_draws_after
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node, nodes
from dynaxx.spec.problem import did_you_mean, listed
from dynaxx.stage.codecs import Codecs
from dynaxx.stage.vocabulary import words_of, write_words
from dynaxx.store.atomic import sweep
from dynaxx.store.lock import Lock, locked
from dynaxx.train.folder import RunFolder, check_apart, settled
from dynaxx.train.log import ReportTo
from dynaxx.train.machine import Machine
from dynaxx.train.material import Material, gather
from dynaxx.train.preview import chain_preview, write_picture
from dynaxx.train.session import Every, Session
from dynaxx.train.standing import Standing, trainable
from dynaxx.train.step import TrainStep
from dynaxx.train.stop import asked_anywhere


@final
@dataclass(frozen=True)
class Trained:
    """What a training did: the folder, and per stage how it was made; `skipped` were finished before.

    `complete`: every stage of the cascade is finished, so it can be drawn from.
    """

    folder: Path
    stages: dict[str, dict[str, Any]]
    skipped: tuple[str, ...]
    complete: bool

    def to_json(self) -> dict[str, Any]:
        """The record as plain data."""
        skipped = list(self.skipped)
        return {"folder": str(self.folder), "stages": self.stages, "skipped": skipped, "complete": self.complete}


def train(
    spec: CascadeSpec,
    *,
    out: Path | str,
    data: Dataset | None = None,
    root: Path | None = None,
    stages: Sequence[str] | None = None,
    device: str | None = None,
    allow_download: bool = False,
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
        device: `cpu`, `cuda`, `xpu`, `mps`, ...; an accelerator is taken where there is one.
        allow_download: whether codecs and text encoders that are not on this machine may be fetched.
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
    codecs = Codecs(spec.codecs, root, allow_download)
    codecs.rehearse(nodes(spec), spec.codecs)
    spec = settled(house_codecs(spec, codecs), root, folder.path)
    graph = nodes(spec)
    chosen, note = _chosen(spec, graph, stages), on_note or (lambda text: None)
    if data is None:
        check_apart(spec, folder.path)
    folder.make()
    with _alone(folder, machine) as lock, same_draws_after(machine.device):
        material = _material(spec, data, folder, machine, codecs, note)
        session = Session(spec, graph, folder, material, device, every or Every(), report_to, on_step, note, lock)
        _check(session.standing, chosen)
        skipped = [name for name in chosen if session.standing.finished(name)]
        machine.wait()  # until all have looked, before one changes anything
        if machine.first:
            sweep(folder.path)  # only now: what is refused changes nothing
            copy_codecs(spec, codecs, folder.path)
            _write_words(spec, material, folder)
            save_head(session.standing.head(), folder.path)
        _fit(session, chosen, skipped, machine)
        complete = all(session.standing.finished(name) for name in trainable(spec))
        if machine.first and complete:
            shown = chain_preview(spec, graph, session.all_stages(), material, str(machine.device))
            write_picture(shown, folder.path / "samples.png")
    return Trained(folder.path, {name: folder.lineage(name) or {} for name in chosen}, tuple(skipped), complete)


def _check(standing: Standing, chosen: Sequence[str]) -> None:
    """See that what is chosen can be trained, and that what is not stays what it is."""
    for name in chosen:
        standing.check(name, chosen)
    for name in trainable(standing.spec):
        if name not in chosen:
            standing.check_kept(name)


def _write_words(spec: CascadeSpec, material: Material, folder: RunFolder) -> None:
    """The words of all captions, for an encoder that brings others to them."""
    if spec.condition.text and spec.condition.text.encoder == "word-vectors":
        write_words(words_of([fact.caption for fact in material.signals.facts]), folder.path)


def _fit(session: Session, chosen: Sequence[str], skipped: Sequence[str], machine: Machine) -> None:
    with Stop() as stop:
        for name in chosen:
            if name in skipped:
                session.note(f"{name} is finished.")
            else:
                session.fit(name, stop)
            if asked := asked_anywhere(stop, machine):
                raise stop.error(f"stage {name!r}", asked)


@contextmanager
def _alone(folder: RunFolder, machine: Machine) -> Iterator[Lock | None]:
    """The run folder is this training's; the first process holds it for all."""
    if not machine.first:
        yield None
        return
    with locked(folder.lock, folder=folder.path, what="training") as lock:
        yield lock


def _material(
    spec: CascadeSpec,
    data: Dataset | None,
    folder: RunFolder,
    machine: Machine,
    codecs: Codecs,
    note: Callable[[str], None],
) -> Material:
    """The first process decodes, encodes and writes, the others read what it wrote."""
    if not machine.first:
        machine.wait()
    material = gather(
        spec, data, root=folder.path, cache=folder.data, kept=not machine.first, codecs=codecs, device=machine.device,
        note=note,
    )  # fmt: skip
    if machine.first:
        machine.wait()
    return material


def _chosen(spec: CascadeSpec, graph: Sequence[Node], asked: Sequence[str] | None) -> list[str]:
    names = trainable(spec)
    able = list(dict.fromkeys(node.stage.name for node in graph if node.stage.name in names))
    for name in asked or ():
        if name not in able:
            fix = f"{did_you_mean(name, able)}It has: {listed(able)}."
            raise UsageError(f"stage {name!r}", "the cascade has no such stage to train.", fix)
    if not able:
        raise UsageError(spec.name, "has no stage that can be trained.", "Give one `kind: diffusion` or `regression`.")
    return [name for name in able if asked is None or name in asked]
