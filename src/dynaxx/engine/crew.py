"""The workers of a cascade that is spread over devices: each with its stages, from one run to the next."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import final

import torch

from dynaxx.engine.batches import Batches
from dynaxx.engine.board import Task
from dynaxx.engine.made import Made, Worker, make
from dynaxx.engine.move import encode_first, move, moved_bytes
from dynaxx.engine.run import Run
from dynaxx.engine.runtime import Runtime
from dynaxx.engine.seats import Seats, seat_by_name, seat_by_time
from dynaxx.errors import RunError
from dynaxx.plan.assign import Spread
from dynaxx.plan.events import stages_of
from dynaxx.plan.pace import batch_of
from dynaxx.spec.graph import Node
from dynaxx.stage.stage import Stage

TRIED = 4
"""A trial passes a batch of this part of a run's through the stages."""

Told = Callable[[Sequence[Node], int], dict[str, float] | None]
"""Seconds of each stage for a sample of such a batch, where a clock knows them."""


@final
@dataclass
class Crew:
    """What stays between runs: replicas, batch sizes that were found, and what the stages took when they were tried."""

    devices: tuple[str, ...]
    named: Spread | None
    told: Told
    seats: Seats | None = None
    latency_s: dict[str, float] = field(default_factory=dict)
    _copies: dict[tuple[str, str], Stage] = field(default_factory=dict)
    _batches: dict[str, dict[str, Batches]] = field(default_factory=dict)

    @classmethod
    def of(cls, runtime: Runtime, stages: Collection[str], told: Told) -> Crew:
        """The workers that a runtime asks for; stages without a device of their own are where the run is."""
        named, devices = runtime.seats, runtime.devices
        if named is not None and not set(stages) <= set(named):
            devices = tuple(dict.fromkeys([*devices, str(runtime.on)]))
        return cls(devices, named, told)

    def most(self, run: Run) -> int:
        """The samples of a batch at most."""
        return batch_of(run.batch_size, len(run.draws.ids), len(self.devices))

    def seat(self, run: Run, nodes: Sequence[Node]) -> tuple[Seats, list[Made]]:
        """Choose who holds what; where nothing says how long the stages take, some samples are made to see.

        Raises:
            RunError: if weights do not fit.
        """
        stages = {name: run.stages[name] for name in stages_of(nodes)}
        if self.named is not None:
            spread = {name: self.named.get(name) or (str(run.device),) for name in stages}
            return seat_by_name(stages, spread, run.memory_cap), []
        chosen, made = partial(seat_by_time, stages, self.devices, run.memory_cap), list[Made]()
        if told := self.told(nodes, self.most(run)):
            return chosen(told, "clock"), made
        if not set(stages) <= set(self.latency_s):
            made = self._try(run, nodes, chosen(dict.fromkeys(stages, 1.0), "measured"))
        return chosen(self.latency_s, "measured"), made

    def take_places(self, run: Run, seats: Seats) -> dict[str, Worker]:
        """Bring the stages to their devices, and let go of what lay there for another run.

        A stage's first device gets the stage itself, the others copies.
        """
        if self.seats is not None and self.seats.spread != seats.spread:
            for stage in (*run.stages.values(), *self._copies.values()):
                move("evict", stage, torch.device("cpu"), run.condition)
            self._copies = {}
        self.seats = seats
        workers = {device: self.worker(device) for device in seats.devices}
        for name, devices in seats.spread.items():
            for number, device in enumerate(devices):
                workers[device].stages[name] = self._copy(run, name, device) if number else run.stages[name]
        for worker in workers.values():
            assert run.condition is not None
            encode_first(worker.stages, list(worker.stages), worker.device, run.condition)
        for worker in workers.values():
            for name in worker.stages:
                _fetch(run, worker, name, seats)
        return workers

    def dismiss(self) -> None:
        """Let go of all replicas: the stages will be others'."""
        self.seats, self._copies = None, {}

    def _try(self, run: Run, nodes: Sequence[Node], seats: Seats) -> list[Made]:
        """Make two small batches, one stage after another, each where it has room; time the second.

        The first pays for what is set up once.
        """
        total, size = len(run.draws.ids), max(1, self.most(run) // TRIED)
        parts = [slice(begin, min(begin + size, total)) for begin in range(0, min(2 * size, total), size)]
        made, took_s = list[Made](), dict[str, float]()
        for number, node in enumerate(nodes):
            name = node.stage.name
            worker = self.worker(seats.spread[name][0])
            worker.stages = {name: run.stages[name]}
            if name not in stages_of(nodes[:number]):
                _fetch(run, worker, name, seats)
            made += [make(run, worker, Task(node, part), run.on_step) for part in parts]
            took_s[name] = took_s.get(name, 0.0) + made[-1].took_s / made[-1].task.count
            if name not in stages_of(nodes[number + 1 :]):
                move("evict", run.stages[name], torch.device("cpu"), run.condition)
        self.latency_s |= took_s
        return made

    def worker(self, device: str) -> Worker:
        """One that holds nothing yet, with the batch sizes that were found on its device."""
        return Worker(device, {}, self._batches.setdefault(device, {}))

    def _copy(self, run: Run, name: str, device: str) -> Stage:
        if (name, device) not in self._copies:
            try:
                self._copies[name, device] = deepcopy(run.stages[name])
            except TypeError as error:  # a user's class may hold locks, files, connections
                fix = f"Give it a `__deepcopy__`, or one device: --devices {name}=DEVICE."
                raise RunError(f"stage {name!r}", f"has no replicas, as it cannot be copied ({error}).", fix) from error
        return self._copies[name, device]


def _fetch(run: Run, worker: Worker, name: str, seats: Seats) -> None:
    kind, stage = "stream" if (name, worker.name) in seats.streamed else "fetch", worker.stages[name]
    with run.trace.event(f"{kind} {name} on {worker.name}", moved_bytes(kind, stage, worker.device)):
        move(kind, stage, worker.device, run.condition)
