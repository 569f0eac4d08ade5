"""The training of one stage after another: what goes on around the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch

from dynaxx.engine.folder import LINEAGE, save_stage
from dynaxx.signal.random import Draws
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.identity import stage_weights_id
from dynaxx.spec.stage import DiffusionStage, RegressionStage
from dynaxx.stage.build import build_stages, weights_folder
from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.regression import Regression
from dynaxx.stage.stage import Stage
from dynaxx.stage.weights import load_weights
from dynaxx.train.checkpoint import save_checkpoint
from dynaxx.train.fit import fit
from dynaxx.train.fitting import Fitting, Trainable
from dynaxx.train.folder import RunFolder, recipe_id
from dynaxx.train.generated import generated
from dynaxx.train.log import Log, ReportTo, open_tracker
from dynaxx.train.machine import Machine
from dynaxx.train.material import Material
from dynaxx.train.pairs import Pairs
from dynaxx.train.preview import stage_preview, write_picture
from dynaxx.train.standing import Standing, training
from dynaxx.train.step import TrainStep
from dynaxx.train.stop import Stop, stopped


@final
@dataclass(frozen=True)
class Every:
    """After how many steps to log, to save, and to draw pictures; each also at the end of a stage."""

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
    _stages: dict[str, Stage] = field(default_factory=dict)

    @property
    def standing(self) -> Standing:
        """What the folder holds."""
        return Standing(self.spec, self.folder, self.material.signals.fingerprint)

    def fit(self, name: str, stop: Stop) -> None:
        """Train a stage to its end, from its newest checkpoint if there is one, and put it into the folder."""
        own = [node for node in self.graph if node.stage.name == name]
        train = training(self.spec, name)
        machine, stage = Machine.of(self.device, train.precision), self._fresh(own, train.seed)
        made = self._generated(own[0], machine) if train.generated else None
        pairs = [
            Pairs(self.spec.condition, self.graph, node, self.material, generated=made, device=machine.device)
            for node in own
        ]
        checkpoint = self.standing.resumable(name, self.note)
        fitting = Fitting(stage, machine)
        if checkpoint:
            fitting.load(checkpoint.tensors, checkpoint.state)
            self.note(f"{name} goes on from step {fitting.step}.")
        self._loop(fitting, pairs, own[0], stop)
        if machine.first:
            self._finish(fitting, own[0])
        machine.wait()
        self._stages[name] = stage

    def all_stages(self) -> dict[str, Stage]:
        """Every stage of the cascade, ready to sample."""
        return {node.stage.name: self._ready(node) for node in self.graph}

    def _loop(self, fitting: Fitting, pairs: list[Pairs], node: Node, stop: Stop) -> None:
        notes, first = self.folder.notes(node.stage.name), fitting.machine.first
        tracker = open_tracker(self.report_to, self.folder.path) if first else None
        path = notes / ("log.jsonl" if first else f"log-{fitting.machine.rank}.jsonl")
        due = False
        with Log(path, every=self.every.log, since=fitting.step, tracker=tracker) as log:
            for step in fit(fitting, pairs):
                log.add(step)
                if self.on_step:
                    self.on_step(step)
                last, asked = step.step == step.steps, stop.anywhere(fitting.machine)
                due = due or step.step % self.every.save == 0
                if last or asked or (due and not fitting.failed):  # what fails is not worth a better one's place
                    self._save(fitting)
                    due = False
                if asked:
                    raise stopped(f"stage {step.stage!r}, step {step.step}", asked)
                if first and (last or step.step % self.every.preview == 0):
                    write_picture(self._preview(fitting, node), notes / "samples" / f"step-{step.step:08d}.png")

    def _save(self, fitting: Fitting) -> None:
        if not fitting.machine.first:
            return
        name = fitting.stage.spec.name
        state = {
            **fitting.counts(), "recipe": recipe_id(self.spec, name),
            "data": self.material.signals.fingerprint, "torch": torch.__version__, "threads": torch.get_num_threads(),
        }  # fmt: skip
        save_checkpoint(self.folder.checkpoints(name), fitting.step, fitting.tensors(), state)

    def _preview(self, fitting: Fitting, node: Node) -> Any:
        with fitting.ema.applied():
            return stage_preview(
                self.spec, node, fitting.stage, self.material, self._sizes, str(fitting.machine.device)
            )

    def _finish(self, fitting: Fitting, node: Node) -> None:
        """Put the averaged weights into the cascade folder; the lineage, written last, says that they are whole."""
        name = node.stage.name
        (self.folder.stage(name) / LINEAGE).unlink(missing_ok=True)
        upstream = [parent.stage.name for parent in self._upstream(node)] if fitting.train.generated else []
        lineage = {
            "data": self.material.signals.fingerprint, "steps": fitting.step, "images": fitting.images,
            "skipped": fitting.skipped, "upstream": {other: stage_weights_id(self.spec, other) for other in upstream},
        }  # fmt: skip
        with fitting.ema.applied():
            save_stage(self.spec, node, fitting.stage, self.folder.path, lineage=lineage)
        load_weights(fitting.stage.network, self.folder.stage(name))
        fitting.stage.network.eval()

    @property
    def _sizes(self) -> dict[str, tuple[int, ...]]:
        return {node.name: node.grid.size for node in self.graph}

    def _fresh(self, own: list[Node], seed: int) -> Trainable:
        """The stage with weights that depend on (seed, stage) alone."""
        name = own[0].stage.name
        torch.manual_seed(int(Draws(seed, name, (0,)).bits("weights", (1,))))
        stage = build_stages(self.spec, own, root=self.folder.path, fresh=True)[name]
        assert isinstance(stage, Diffusion | Regression)
        return stage

    def _generated(self, node: Node, machine: Machine) -> dict[str, Any]:
        made = {}
        for parent in self._upstream(node):
            ids = f"{stage_weights_id(self.spec, parent.stage.name)}-{self.material.signals.fingerprint}"
            file = self.folder.notes(node.stage.name) / f"{parent.name}-{ids}.npy"
            if machine.first:
                self.note(f"{parent.name} makes what {node.stage.name} learns from.")
                generated(parent, self._ready(parent), self._sizes, self.material, machine.device, file)
            machine.wait()
            made[parent.name] = generated(parent, self._ready(parent), self._sizes, self.material, machine.device, file)
        return made

    def _upstream(self, node: Node) -> list[Node]:
        return [other for other in self.graph if other.name in node.parents and other.stage.name != node.stage.name]

    def _ready(self, node: Node) -> Stage:
        """A finished stage, or one of a kind that needs no training."""
        name = node.stage.name
        if name not in self._stages:
            root: Path = self.folder.path
            fresh = isinstance(node.stage, DiffusionStage | RegressionStage)
            stage = build_stages(self.spec, [node], root=root, fresh=fresh)[name]
            if isinstance(stage, Diffusion | Regression):
                load_weights(stage.network, weights_folder(node.stage, root))
                stage.network.eval()
            self._stages[name] = stage
        return self._stages[name]
