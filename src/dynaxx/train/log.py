"""What a training leaves on record: a line of JSON now and then, and an experiment tracker where one is asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, final

from dynaxx.errors import MissingExtraError
from dynaxx.store.atomic import write_text
from dynaxx.train.step import TrainStep

ReportTo = Literal["tensorboard", "trackio"]


class Tracker(Protocol):
    """An experiment tracker."""

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Note values at a step."""

    def close(self) -> None:
        """Write what is left."""


@final
class Log:
    """`log.jsonl`: every `every`-th step and the last, with losses averaged since the line before.

    Lines after step `since` are dropped on opening, as a training that goes on from there writes them again.
    """

    def __init__(self, path: Path, *, every: int, since: int, tracker: Tracker | None = None) -> None:
        self._every, self._tracker, self._waiting = every, tracker, list[TrainStep]()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, "".join(f"{line}\n" for line in _lines(path) if (_step(line) or 0) <= since))
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()
        if self._tracker:
            self._tracker.close()

    def add(self, step: TrainStep) -> None:
        """Take in a step."""
        self._waiting.append(step)
        if step.step % self._every and step.step < step.steps:
            return
        line = averaged(self._waiting)
        self._waiting.clear()
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        if self._tracker:
            numbers = {key: value for key, value in line.items() if isinstance(value, float)}
            self._tracker.add({f"{step.stage}/{key}": value for key, value in numbers.items()}, step.step)


def averaged(steps: list[TrainStep]) -> dict[str, Any]:
    """The last step's record, its losses, speed and gradient being means over all of them."""
    last, line = steps[-1], steps[-1].to_json()
    levels = line.pop("by_level")
    for key in ("loss", "grad_norm"):
        line[key] = _mean([getattr(step, key) for step in steps])
    line["images_per_s"] = len(steps) / sum(1 / step.images_per_s for step in steps)
    names = dict.fromkeys([name for step in steps for name in step.by_level])
    levels = {name: _mean([step.by_level[name] for step in steps if name in step.by_level]) for name in names}
    return line | {f"loss_{name}": value for name, value in sorted(levels.items())} | {"step": last.step}


def open_tracker(kind: ReportTo | None, folder: Path) -> Tracker | None:
    """The tracker asked for, writing into `folder` or its own place.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        return None if kind is None else Board(folder) if kind == "tensorboard" else Trackio(folder.name)
    except ImportError as error:
        fix = "Install it with `pip install 'dynaxx[track]'`."
        raise MissingExtraError("--report-to", f"{kind} is not installed.", fix) from error


@final
class Board:
    """TensorBoard's event files."""

    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Note values at a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


@final
class Trackio:
    """A local trackio project named after the run's folder."""

    def __init__(self, project: str) -> None:
        import trackio  # type: ignore[import-not-found,unused-ignore]

        self._run = trackio.init(project=project)

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Note values at a step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


def _lines(path: Path) -> list[str]:
    """The whole lines of a log; damaged ones, as the last that was cut short, are left out."""
    if not path.exists():
        return []
    return [line for line in path.read_text("utf-8", errors="replace").splitlines() if _step(line) is not None]


def _step(line: str) -> int | None:
    """The step that a line is about; None where it is damaged."""
    try:
        step = json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return None
    return step if isinstance(step, int) else None


def _mean(values: list[float]) -> float | None:
    """The mean of what is finite; None where nothing is."""
    finite = [value for value in values if abs(value) < float("inf")]
    return sum(finite) / len(finite) if finite else None
