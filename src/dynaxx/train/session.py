"""The training of one stage after another: what goes on around the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import torch

from dynaxx.engine.folder import LINEAGE, save_head, save_stage
from dynaxx.engine.stop import Stop
from dynaxx.signal.random import Draws
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.grid import Grid
from dynaxx.spec.identity import stage_facts, stage_weights_id
from dynaxx.stage.build import build_stages
from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.regression import Regression
from dynaxx.stage.stage import Stage
from dynaxx.store.lock import Lock
from dynaxx.train.fit import fit
from dynaxx.train.fitting import Fitting, Trainable
from dynaxx.train.folder import RunFolder, with_steps
from dynaxx.train.log import Log, ReportTo, open_tracker
from dynaxx.train.machine import Machine
from dynaxx.train.material import Material
from dynaxx.train.pairs import Pairs
from dynaxx.train.preview import stage_preview, write_picture
from dynaxx.train.standing import Standing, training
from dynaxx.train.step import TrainStep
from dynaxx.train.stop import asked_anywhere
from dynaxx.train.upstream import Upstream
from dynaxx.train.validate import Validation
from dynaxx.train.writer import Writer


class _NoPictureError(Exception):
    """Somebody asked to stop while the stage was looked at."""


@final
@dataclass(frozen=True)
class Every:
    """After how many steps to log, to save, and to draw pictures and validate; each also at the end of a stage."""

    log: int = 50
    save: int = 1000
    preview: int = 1000


@final
@dataclass
class Session:
    """One call of `train`: stages are fitted by name, and kept for those that build on them."""

    spec: CascadeSpec
    graph: tuple[Node, ...]
    folder: RunFolder
    material: Material
    device: str | None
    every: Every
    report_to: ReportTo | None
    on_step: Callable[[TrainStep], None] | None
    note: Callable[[str], None]
    lock: Lock | None

    @cached_property
    def upstream(self) -> Upstream:
        """The stages that others build on."""
        return Upstream(self.spec, self.graph, self.folder, self.material, self.note)

    @property
    def standing(self) -> Standing:
        """What the folder holds."""
        return Standing(self.spec, self.folder, self.material.signals.fingerprint)

    def fit(self, name: str, stop: Stop) -> None:
        """Train a stage to its end, from its newest checkpoint if there is one, and put it into the folder."""
        own = [node for node in self.graph if node.stage.name == name]
        train = training(self.spec, name)
        machine, stage = Machine.of(self.device, train.precision), self._fresh(own, train.seed)
        made = self.upstream.generated(own, machine, stop) if train.generated else None
        pairs = [
            Pairs(self.spec.condition, self.graph, node, self.material, generated=made, device=machine.device)
            for node in own
        ]
        checkpoint = self.standing.resumable(name, self.note)
        fitting = Fitting(stage, machine)
        if checkpoint:
            fitting.load(checkpoint.tensors, checkpoint.state)
            self.note(f"{name} goes on from step {fitting.step}{_moved(checkpoint.state, machine)}.")
        waiting = checkpoint.state.get("log", ()) if checkpoint else ()
        if machine.first:
            self._loop(fitting, pairs, own[0], stop, waiting)
            self._finish(fitting, own[0])
        else:
            self._follow(fitting, pairs, stop)
        machine.wait()

    def all_stages(self) -> dict[str, Stage]:
        """Every stage of the cascade, ready to sample."""
        return {node.stage.name: self.upstream.ready(node) for node in self.graph}

    def _loop(
        self, fitting: Fitting, pairs: list[Pairs], node: Node, stop: Stop, waiting: Sequence[Mapping[str, Any]]
    ) -> None:
        """The loop of the process that writes: steps, log, checkpoints, pictures."""
        name, notes = node.stage.name, self.folder.notes(node.stage.name)
        tracker, due = open_tracker(self.report_to, self.folder.path), False
        log = Log(notes, every=self.every.log, since=fitting.step, waiting=waiting, tracker=tracker)
        validation = Validation(self.spec, node, self.material, self._grids, str(fitting.machine.device))

        def first() -> None:
            if self.lock:
                self.lock.check()
            log.sync()

        with log, Writer(self.folder.make_checkpoints(name), first=first, done=log.saved) as writer:
            for step in fit(fitting, pairs):
                log.add(step)
                if self.on_step:
                    self.on_step(step)
                last, asked = step.step == step.steps, asked_anywhere(stop, fitting.machine)
                due = due or step.step % self.every.save == 0
                if last or asked or (due and not fitting.failed):  # what fails is not worth a better one's place
                    writer.save(fitting.step, fitting.tensors(), self._state(fitting, log))
                    due = False
                if asked:
                    writer.wait()
                    fitting.machine.wait()
                    raise stop.error(f"stage {name!r}, step {step.step}", asked)
                if last or step.step % self.every.preview == 0:
                    self._look(fitting, node, validation, log, stop)

    def _follow(self, fitting: Fitting, pairs: list[Pairs], stop: Stop) -> None:
        """The loop of a process that only computes."""
        for step in fit(fitting, pairs):
            if self.on_step:
                self.on_step(step)
            if asked := asked_anywhere(stop, fitting.machine):
                fitting.machine.wait()  # until the first process has saved: a launcher ends all when one leaves
                raise stop.error(f"stage {step.stage!r}, step {step.step}", asked)

    def _state(self, fitting: Fitting, log: Log) -> dict[str, Any]:
        """What goes with the tensors of a checkpoint."""
        name = fitting.stage.spec.name
        recipe = stage_weights_id(with_steps(self.spec, name, 1), name)
        return {
            **fitting.counts(), "recipe": recipe, "settings": stage_facts(self.spec, name),
            "data": self.material.signals.fingerprint, "torch": torch.__version__, "threads": torch.get_num_threads(),
            "processes": fitting.machine.count, "log": log.waiting(),
        }  # fmt: skip

    def _look(self, fitting: Fitting, node: Node, validation: Validation, log: Log, stop: Stop) -> None:
        """Draw and measure how the stage stands; whoever asks to stop does not wait for it."""
        file = self.folder.notes(node.stage.name) / "samples" / f"step-{fitting.step:08d}.png"

        def look(name: str, step: object) -> None:
            if stop.asked:
                raise _NoPictureError

        with fitting.ema.applied(), suppress(_NoPictureError):
            device = str(fitting.machine.device)
            shown = stage_preview(self.spec, node, fitting.stage, self.material, self._grids, device, on_step=look)
            write_picture(shown, file)
            if validation.possible:
                log.validated(node.stage.name, fitting.step, validation.measure(fitting.stage, on_step=look))

    def _finish(self, fitting: Fitting, node: Node) -> None:
        """Put the averaged weights into the cascade folder; the lineage, written last, says that they are whole."""
        name = node.stage.name
        (self.folder.stage(name) / LINEAGE).unlink(missing_ok=True)
        upstream = [parent.stage.name for parent in self.upstream.of(node)] if fitting.train.generated else []
        lineage = {
            "data": self.material.signals.fingerprint, "steps": fitting.step, "images": fitting.images,
            "skipped": fitting.skipped, "upstream": {other: stage_weights_id(self.spec, other) for other in upstream},
        }  # fmt: skip
        with fitting.ema.applied():
            save_stage(self.spec, node, fitting.stage, self.folder.path, lineage=lineage)
        save_head(self.standing.head(), self.folder.path)

    @property
    def _grids(self) -> dict[str, Grid]:
        return {node.name: node.grid for node in self.graph}

    def _fresh(self, own: list[Node], seed: int) -> Trainable:
        """The stage with weights that depend on (seed, stage) alone."""
        name = own[0].stage.name
        torch.manual_seed(int(Draws(seed, name, (0,)).bits("weights", (1,))))
        stage = build_stages(self.spec, own, root=self.folder.path, fresh=True)[name]
        assert isinstance(stage, Diffusion | Regression)
        return stage


def _moved(state: Mapping[str, Any], machine: Machine) -> str:
    """What is different around a training that goes on, so that it goes on to the same up to rounding only."""
    now = {"torch": torch.__version__, "threads": torch.get_num_threads(), "processes": machine.count}
    changed = [
        f"{name} {state[name]} before, {now[name]} now" for name in now if state.get(name, now[name]) != now[name]
    ]
    return f" (the same up to rounding only: {', '.join(changed)})" if changed else ""
