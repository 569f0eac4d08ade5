"""The stages that a training builds on: read from the folder, and what they make of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from dynaxx.engine.folder import weights_digest
from dynaxx.engine.stop import Stop
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.identity import digest, stage_run_id
from dynaxx.spec.stage import DiffusionStage, RegressionStage
from dynaxx.stage.build import build_stages, weights_folder
from dynaxx.stage.diffusion import Diffusion
from dynaxx.stage.regression import Regression
from dynaxx.stage.stage import Stage
from dynaxx.stage.weights import load_weights
from dynaxx.train.carried import Carry, Kept
from dynaxx.train.folder import RunFolder
from dynaxx.train.generated import RENEWED_FROM_STD, Answers
from dynaxx.train.machine import Machine
from dynaxx.train.material import Material
from dynaxx.train.stop import asked_anywhere


@final
@dataclass
class Upstream:
    """Finished stages of a run folder by name, each read once, and the answers that later stages learn from."""

    spec: CascadeSpec
    graph: tuple[Node, ...]
    folder: RunFolder
    material: Material
    note: Callable[[str], None]
    _stages: dict[str, Stage] = field(default_factory=dict)

    def of(self, node: Node) -> list[Node]:
        """The nodes of other stages that a node builds on."""
        return [other for other in self.graph if other.name in node.parents and other.stage.name != node.stage.name]

    def ready(self, node: Node) -> Stage:
        """A finished stage as the folder holds it, or one of a kind that needs no training.

        It is read anew even where it was just trained, so that whatever is made with it has the same bits after a stop.
        """
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

    def generated(self, own: list[Node], machine: Machine, stop: Stop) -> dict[tuple[str, str, str], Kept]:
        """What each parent makes of the data, as every pass of the stage reads it.

        The first process makes it, the others wait for every part.
        """
        node, made = own[0], dict[tuple[str, str, str], Kept]()
        grids = {other.name: other.grid for other in self.graph}
        for parent in self.of(node):
            place = self.folder.notes(node.stage.name) / "generated" / parent.name
            file = place / f"{self._answer_id(parent)}.npy"
            answers = Answers(parent, self.ready(parent), grids, self.material, machine.device, file)
            missing = answers.parts.missing
            if missing:
                self.note(f"{parent.name} makes what {node.stage.name} learns from.")
            for part in range(answers.parts.count if machine.anyone(missing) else 0):
                if machine.first:
                    answers.make(part)
                if asked := asked_anywhere(stop, machine):
                    raise stop.error(f"stage {parent.name!r}, what {node.stage.name!r} learns from", asked)
            if machine.first:
                answers.finish()
                # What an edge decodes or encodes is carried into a file by this read, before the others' read finds it.
                made |= self._read(own, parent, answers)
            machine.wait()
            made |= self._read(own, parent, answers)
        return made

    def _read(self, own: list[Node], parent: Node, answers: Answers) -> dict[tuple[str, str, str], Kept]:
        """A parent's answers, decoded or encoded where an edge asks for it."""
        kept, carrier = Kept(answers.parts.read(), answers.file.stem), self.material.carrier
        return {
            (node.name, name, parent.name): carrier.made(
                kept, Carry.over(node, name, parent.name), folder=answers.file.parent
            )
            for node in own
            for name, given in node.inputs.items()
            if parent.name in given.parents
        }

    def _answer_id(self, node: Node) -> str:
        """The id of what a stage makes of the data: its weights, all that it runs with, and the data."""
        name, data = node.stage.name, self.material.signals.fingerprint
        weights = weights_digest(weights_folder(node.stage, self.folder.path))
        return digest([stage_run_id(self.spec, name), weights, data, RENEWED_FROM_STD])
