"""Where a stage stands: finished, to go on from a checkpoint, new, or, with the way out, of another training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

from dynaxx.errors import RunError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.identity import stage_weights_id
from dynaxx.spec.stage import TRAINABLE
from dynaxx.spec.topology import upstream
from dynaxx.spec.training import TrainingSpec
from dynaxx.train.checkpoint import Checkpoint, newest
from dynaxx.train.folder import RunFolder, recipe_id

ANEW = "Choose another --out, or remove this stage's folders to train it anew."


@final
@dataclass(frozen=True)
class Standing:
    """What a folder holds for a cascade, on data of this fingerprint."""

    spec: CascadeSpec
    folder: RunFolder
    data: str

    def finished(self, name: str) -> bool:
        """Whether a stage was trained to the end by this very recipe on this very data."""
        return self.folder.finished(self.spec, name, self.data)

    def resumable(self, name: str, note: Callable[[str], None]) -> Checkpoint | None:
        """The newest complete checkpoint, if any; those that cannot be read are passed over by name.

        Raises:
            RunError: where it, or the finished stage, comes from another recipe, other data, or a longer training.
        """
        self._check_lineage(name)
        found = newest(self.folder.checkpoints(name))
        for reason in found.passed_over:
            note(f"Passed over a checkpoint: {reason}")
        if found.checkpoint is None and self.folder.lineage(name) is not None and not self.finished(name):
            raise RunError(str(self.folder.stage(name)), "was trained by another recipe.", ANEW)
        if found.checkpoint is not None:
            self._check(found.checkpoint, name)
        return found.checkpoint

    def check(self, name: str, also: Sequence[str]) -> None:
        """See that a stage can be trained from where it stands, when the stages `also` are trained too.

        Raises:
            RunError: as `resumable`, or where it learns from a stage that is not trained.
        """
        if self.finished(name):
            return
        self.resumable(name, lambda text: None)
        for parent in self._learned_from(name):
            if parent not in also and not self.finished(parent):
                problem = f"learns from {parent!r}, which is not trained by this recipe on this data."
                raise RunError(f"stage {name!r}", problem, f"Train {parent!r} first.")

    def _learned_from(self, name: str) -> list[str]:
        """The stages that are trained here too and whose answers this one learns from."""
        stages = {stage.name: stage for stage in self.spec.stages}
        used = [stages[other] for other in upstream(stages[name])] if training(self.spec, name).generated else []
        return [stage.name for stage in used if isinstance(stage, TRAINABLE) and not stage.weights]

    def _check_lineage(self, name: str) -> None:
        lineage = self.folder.lineage(name) or {}
        if lineage.get("weights_id") == stage_weights_id(self.spec, name) and not self.finished(name):
            raise RunError(str(self.folder.stage(name)), "was trained on other data.", "Put the data back. " + ANEW)

    def _check(self, checkpoint: Checkpoint, name: str) -> None:
        where, state, train = str(checkpoint.path), checkpoint.state, training(self.spec, name)
        if state["recipe"] != recipe_id(self.spec, name):
            raise RunError(where, "is a checkpoint of another recipe.", ANEW)
        if state["data"] != self.data:
            raise RunError(where, "was trained on other data.", "Put the data back. " + ANEW)
        _check_steps(where, state, train)


def _check_steps(where: str, state: dict[str, Any], train: TrainingSpec) -> None:
    done, planned = state["step"], state.get("steps", train.steps)
    if done > train.steps:
        problem = f"has done {done} steps, more than the {train.steps} asked for."
        raise RunError(where, problem, f"Set train.steps to {done} or more. {ANEW}")
    if planned != train.steps and train.optimizer.decay != "none":
        problem = f"lowered its rate for an end at step {planned}, so {train.steps} steps are another training."
        raise RunError(where, problem, f"Set train.steps back to {planned}; only `decay: none` can be changed. {ANEW}")


def training(spec: CascadeSpec, name: str) -> TrainingSpec:
    """How a stage is trained."""
    stage = next(stage for stage in spec.stages if stage.name == name)
    assert isinstance(stage, TRAINABLE)
    return stage.train or TrainingSpec()
