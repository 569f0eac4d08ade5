"""The folder of a training: a cascade folder that grows stage by stage, and beside it all that training needs."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from dynaxx.engine.folder import LINEAGE
from dynaxx.errors import RunError
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.identity import PLACES, stage_weights_ids
from dynaxx.spec.override import override
from dynaxx.store.atomic import make_folder


@final
@dataclass(frozen=True)
class RunFolder:
    """`stages/NAME` holds finished stages; `training/NAME` checkpoints, log and pictures; `training/data` the data."""

    path: Path

    def make(self) -> None:
        """Make it, parents too.

        Raises:
            RunError: where it cannot be made.
        """
        make_folder(self.path)

    @property
    def lock(self) -> Path:
        """What a training holds while it goes on."""
        return self.path / "training" / ".lock"

    @property
    def data(self) -> Path:
        """Decoded data."""
        return self.path / "training" / "data"

    def stage(self, name: str) -> Path:
        """A stage's weights, contract and lineage."""
        return self.path / "stages" / name

    def notes(self, name: str) -> Path:
        """A stage's log, pictures and checkpoints."""
        return self.path / "training" / name

    def checkpoints(self, name: str) -> Path:
        """A stage's checkpoints."""
        return self.notes(name) / "checkpoints"

    def make_checkpoints(self, name: str) -> Path:
        """A stage's checkpoints, the folder made.

        Raises:
            RunError: where it cannot be made.
        """
        return make_folder(self.checkpoints(name))

    def lineage(self, name: str) -> dict[str, Any] | None:
        """How a finished stage was made; None while it is not finished."""
        try:
            found = json.loads((self.stage(name) / LINEAGE).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def finished(self, spec: CascadeSpec, name: str, data: str) -> bool:
        """Whether the stage was trained to the end by this very recipe, on the data of this fingerprint."""
        lineage = self.lineage(name) or {}
        return lineage.get("weights_id") in stage_weights_ids(spec, name) and lineage.get("data", data) == data


def with_steps(spec: CascadeSpec, name: str, steps: int) -> CascadeSpec:
    """The cascade with a stage trained for so many steps."""
    return override(spec, {f"{name}.train.steps": steps})


def check_apart(spec: CascadeSpec, folder: Path) -> None:
    """See that a folder does not lie inside the data, which would then hold its pictures too.

    Raises:
        RunError: if it does.
    """
    if (path := getattr(spec.data, "path", None)) is None:
        return
    data, own = (folder.resolve() / Path(path).expanduser()).resolve(), folder.resolve()
    if own.is_relative_to(data):
        raise RunError(str(folder), f"lies inside the data, {data}.", "Choose an --out outside it.")


def settled(spec: CascadeSpec, root: Path | None, folder: Path) -> CascadeSpec:
    """The cascade with paths that started at `root` starting at `folder`, as its file will lie there."""
    changes: dict[str, Any] = {}
    if spec.data is not None:
        changes["data"] = _settled(spec.data, root, folder)
    stages = []
    for stage in spec.stages:
        update: dict[str, Any] = {} if stage.weights is None else {"weights": _moved(stage.weights, root, folder)}
        data: Any = getattr(stage, "data", None)
        if data is not None:
            update["data"] = _settled(data, root, folder)
        stages.append(stage.model_copy(update=update) if update else stage)
    return spec.model_copy(update={**changes, "stages": tuple(stages)})


def _settled(data: Any, root: Path | None, folder: Path) -> Any:
    """Data whose files are named from `folder`."""
    named = {key: value for key in PLACES if (value := getattr(data, key, None)) is not None}
    return data.model_copy(update={key: _moved(value, root, folder) for key, value in named.items()})


def _moved(path: str, root: Path | None, folder: Path) -> str:
    place = (root or Path()) / Path(path).expanduser()
    try:
        # `..` leads out of where a link points to, not of where it lies
        return Path(os.path.relpath(place.resolve(), folder.resolve())).as_posix()
    except ValueError:  # another drive
        return str(place.absolute())
