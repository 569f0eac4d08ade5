"""Where a stage stands: finished, to go on from a checkpoint, new, or, with the way out, of another training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from dynaxx.errors import RunError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.identity import stage_facts, stage_weights_ids
from dynaxx.spec.stage import TRAINABLE, DiffusionStage, RegressionStage
from dynaxx.spec.topology import upstream
from dynaxx.spec.training import TrainingSpec
from dynaxx.train.checkpoint import Checkpoint, newest
from dynaxx.train.folder import RunFolder, with_steps

ANEW = "Choose another --out, or remove this stage's folders to train it anew."
STEPS, SHOWN = "train.steps", 4
"""The one setting that may change; how many that changed a message names."""


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
        if found.checkpoint is None:
            self._check_anew(name, found.passed_over)
        else:
            self._check(found.checkpoint, name)
        return found.checkpoint

    def _check_anew(self, name: str, passed_over: Sequence[str]) -> None:
        """See that nothing is lost where a stage has no checkpoint to go on from."""
        if self.folder.lineage(name) is not None and not self.finished(name):
            place, steps = str(self.folder.stage(name)), self._length(name, self.spec)
            if steps is None:
                raise RunError(place, "was trained by another recipe.", ANEW)
            why = " ".join(passed_over)
            problem = f"was trained for {steps} steps, and no checkpoint is left to go on from. {why}".rstrip()
            raise RunError(place, problem, ANEW)
        if passed_over:
            problem = f"holds checkpoints, and none of them is whole: {' '.join(passed_over)}"
            raise RunError(str(self.folder.checkpoints(name)), problem, f"Put one back. {ANEW}")

    def head(self) -> CascadeSpec:
        """The cascade as it stands: a finished stage keeps the length it was trained for, until it is trained on."""
        spec = self.spec
        for name in trainable(spec):
            if not self.finished(name) and (steps := self._length(name, spec)) is not None:
                spec = with_steps(spec, name, steps)
        return spec

    def check_kept(self, name: str) -> None:
        """See that a stage which is not trained now, but was, stays what this cascade says.

        Raises:
            RunError: where its recipe differs by more than its length.
        """
        if self.folder.lineage(name) is not None and not self.finished(name) and self._length(name, self.spec) is None:
            problem = "was trained by another recipe, or learned from a stage as it was before."
            raise RunError(str(self.folder.stage(name)), problem, f"Train {name!r} too. {ANEW}")

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
        if lineage.get("weights_id") in stage_weights_ids(self.spec, name) and not self.finished(name):
            raise RunError(str(self.folder.stage(name)), "was trained on other data.", "Put the data back. " + ANEW)

    def _length(self, name: str, spec: CascadeSpec) -> int | None:
        """The steps that a finished stage was trained for, where nothing else of its recipe differs."""
        lineage = self.folder.lineage(name) or {}
        steps, data = lineage.get("steps"), lineage.get("data", self.data)
        if not isinstance(steps, int) or data != self.data:
            return None
        return steps if lineage["weights_id"] in stage_weights_ids(with_steps(spec, name, steps), name) else None

    def _check(self, checkpoint: Checkpoint, name: str) -> None:
        where, state, train = str(checkpoint.path), checkpoint.state, training(self.spec, name)
        if state["recipe"] not in stage_weights_ids(with_steps(self.spec, name, 1), name):
            changed = differences(state.get("settings"), stage_facts(self.spec, name))
            raise RunError(where, f"is a checkpoint of another recipe{changed}.", ANEW)
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


def trainable(spec: CascadeSpec) -> list[str]:
    """The stages that have something to learn, in the order of the file."""
    kinds = DiffusionStage | RegressionStage
    return [stage.name for stage in spec.stages if isinstance(stage, kinds) and not stage.weights]


def differences(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> str:
    """The settings that changed, in brackets: `(train.batch_size was 8, is 16)`; nothing where it is not known."""
    if before is None:
        return ""
    old, new = _flat(before), _flat(now)
    names = [name for name in sorted(old.keys() | new.keys()) if old.get(name) != new.get(name)]
    shown = [f"{name} was {old.get(name, 'not set')}, is {new.get(name, 'not set')}" for name in names if name != STEPS]
    return f" ({'; '.join(shown[:SHOWN])}{'; ...' if len(shown) > SHOWN else ''})" if shown else ""


def _flat(data: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by their paths."""
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return found


def training(spec: CascadeSpec, name: str) -> TrainingSpec:
    """How a stage is trained."""
    stage = next(stage for stage in spec.stages if stage.name == name)
    assert isinstance(stage, TRAINABLE)
    return stage.train or TrainingSpec()
