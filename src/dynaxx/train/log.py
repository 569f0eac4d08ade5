"""What a training leaves on record: lines of JSON now and then, and an experiment tracker where one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol, Self, final

from dynaxx.errors import MissingExtraError
from dynaxx.store.lines import Line, Lines
from dynaxx.train.step import TrainStep
from dynaxx.train.writer import Saved

ReportTo = Literal["tensorboard", "trackio"]
LOG, EVENTS, TIMES, VALIDATION = "log.jsonl", "events.jsonl", "times.jsonl", "validation.jsonl"


class Tracker(Protocol):
    """An experiment tracker."""

    def add(self, values: Mapping[str, float], step: int) -> None:
        """Note values at a step."""

    def close(self) -> None:
        """Write what is left."""


@final
class Log:
    """Four files, and the steps that wait for their line.

    `log.jsonl`: every `every`-th step and the last, with losses averaged since the line before. `events.jsonl`: steps
    that were skipped or had a strange gradient, with their samples. `validation.jsonl`: how the stage stood. All are
    functions of the training alone: lines after step `since` are dropped on opening, as a training that goes on from
    there writes them again. `times.jsonl` is what the clock saw: speed, checkpoints, beginnings; it is only added to.
    """

    def __init__(
        self,
        folder: Path,
        *,
        every: int,
        since: int,
        waiting: Sequence[Mapping[str, Any]] = (),
        tracker: Tracker | None = None,
    ) -> None:
        self._every, self._tracker = every, tracker
        self._waiting = [TrainStep.from_json(step) for step in waiting]

        def before(line: Line) -> bool:
            return isinstance(line.get("step"), int) and line["step"] <= since

        self._log, self._events = Lines(folder / LOG, keep=before), Lines(folder / EVENTS, keep=before)
        self._validation = Lines(folder / VALIDATION, keep=before)
        self._times = Lines(folder / TIMES)
        self._clock(since, {"event": "began"})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in (self._log, self._events, self._validation, self._times):
            file.__exit__(kind, error, at)
        if self._tracker:
            self._tracker.close()

    def add(self, step: TrainStep) -> None:
        """Take in a step."""
        self._waiting.append(step)
        if step.event:
            self._events.add(step.event_line())
        if step.step % self._every and step.step < step.steps:
            return
        line, speed = averaged(self._waiting), images_per_s(self._waiting)
        self._waiting.clear()
        self._log.add(line)
        self._clock(step.step, {"images_per_s": round(speed, 3)})
        if self._tracker:
            numbers = {key: value for key, value in line.items() if isinstance(value, float)}
            numbers["images_per_s"] = speed
            self._tracker.add({f"{step.stage}/{key}": value for key, value in numbers.items()}, step.step)

    def validated(self, stage: str, step: int, found: Mapping[str, Any]) -> None:
        """Note how the stage stood at a step."""
        self._validation.add({"stage": stage, "step": step, **found})
        if self._tracker:
            numbers = {name: value for name, value in found.items() if isinstance(value, float)}
            self._tracker.add({f"{stage}/{name}": value for name, value in numbers.items()}, step)

    def waiting(self) -> list[dict[str, Any]]:
        """The steps that wait for their line, as plain data for a checkpoint."""
        return [step.to_json() for step in self._waiting]

    def sync(self) -> None:
        """Bring all lines to disk, so that a checkpoint is never there without those that belong before it."""
        self._log.sync()
        self._events.sync()
        self._validation.sync()

    def saved(self, saved: Saved) -> None:
        """Note a checkpoint."""
        self._clock(saved.step, {"event": "saved", "stall_s": saved.stall_s, "write_s": saved.write_s})

    def _clock(self, step: int, facts: Mapping[str, Any]) -> None:
        self._times.add({"at": datetime.now(UTC).isoformat(timespec="milliseconds"), "step": step, **facts})


def averaged(steps: Sequence[TrainStep]) -> dict[str, Any]:
    """The last step's record, its losses and gradient being means over all of them."""
    last = steps[-1]
    line: dict[str, Any] = {
        "stage": last.stage, "step": last.step, "steps": last.steps, "lr": last.lr, "images": last.images,
        "skipped": last.skipped, "loss": _mean([step.loss for step in steps]),
        "grad_norm": _mean([step.grad_norm for step in steps]),
    }  # fmt: skip
    for name in sorted({name for step in steps for name in step.by_level}):
        line[f"loss_{name}"] = _mean([step.by_level[name] for step in steps if name in step.by_level])
    return line


def images_per_s(steps: Sequence[TrainStep]) -> float:
    """The speed over steps of one size."""
    return len(steps) / sum(1 / step.images_per_s for step in steps)


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


def _mean(values: list[float]) -> float | None:
    """The mean of what is finite; None where nothing is."""
    finite = [value for value in values if abs(value) < float("inf")]
    return sum(finite) / len(finite) if finite else None
