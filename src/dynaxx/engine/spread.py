"""Stages spread over several devices: a pipeline over batches, each worker making what is ready for it."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import final

import torch

from dynaxx.engine.board import Board, Task
from dynaxx.engine.crew import Crew
from dynaxx.engine.made import Made, Worker, make, note
from dynaxx.engine.run import Run
from dynaxx.noise.solve.step import Step
from dynaxx.signal.device_memory import reset_peak
from dynaxx.spec.graph import Node


class Ended(BaseException):
    """A worker is asked to leave its work, since another failed or the user wants no more."""


def run_spread(run: Run, nodes: Sequence[Node], crew: Crew) -> None:
    """Run all nodes over all batches, every worker in a thread of its own.

    Sample k is the same as in any other placement: streams are addressed by sample. Answers lie in the CPU's memory.

    Raises:
        RunError: if weights do not fit the devices, or as the stages do.
    """
    with run.trace.event("encode"):
        run.condition = run.encode()
    total, most = len(run.draws.ids), crew.most(run)
    for node in nodes:
        run.outputs[node.name] = torch.empty(total, *node.grid.shape, dtype=run.dtype)
    for device in crew.devices:
        reset_peak(torch.device(device))
    seats, made = crew.seat(run, nodes)
    workers = crew.take_places(run, seats)
    begun = max((one.task.part.stop for one in made), default=0)
    board = Board(nodes, seats.spread, total, begun=begun)
    made += Shift(run, board, workers, most).carry_out()
    run.trace.spread, run.trace.spread_by = {name: tuple(on) for name, on in seats.spread.items()}, seats.by
    note(run, nodes, made, {name: crew.worker(name) for name in {one.worker for one in made}})


@final
class Shift:
    """All workers at once, a thread each, until the board is empty."""

    def __init__(self, run: Run, board: Board, workers: Mapping[str, Worker], most: int) -> None:
        self._run, self._board, self._workers, self._most = run, board, workers, most
        self._changed = threading.Condition()
        self._made: list[Made] = []
        self._failure: BaseException | None = None

    def carry_out(self) -> list[Made]:
        """Make everything; whatever fails, or stops the wait for it (Ctrl-C), ends all workers at their next step.

        Raises:
            BaseException: the first worker's to fail.
        """
        with ThreadPoolExecutor(len(self._workers)) as pool:
            futures = [pool.submit(self._work, worker) for worker in self._workers.values()]
            try:
                for future in futures:
                    future.result()
            except BaseException as error:
                self._end(error)
        if self._failure is not None:
            raise self._failure
        return self._made

    def _work(self, worker: Worker) -> None:
        try:
            while (task := self._next(worker)) is not None:
                found = make(self._run, worker, task, self._on_step)
                with self._changed:
                    self._board.done(task, found.took_s)
                    self._made.append(found)
                    self._changed.notify_all()
        except Ended:
            return
        except BaseException as error:
            self._end(error)

    def _next(self, worker: Worker) -> Task | None:
        """What the worker is to do, once it is ready; None where there is nothing more."""
        with self._changed:
            while self._failure is None and self._board.left(worker.name):
                task = self._board.take(worker.name, lambda node: min(worker.of(node, self._run).size, self._most))
                if task is not None:
                    return task
                self._changed.wait()
        return None

    def _end(self, error: BaseException) -> None:
        with self._changed:
            self._failure = self._failure or error
            self._changed.notify_all()

    def _on_step(self, name: str, step: Step) -> None:
        if self._failure is not None:
            raise Ended
        if self._run.on_step is not None:
            self._run.on_step(name, step)
