"""One part of a node's samples made by one worker, and the records that come of all parts together."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.engine.batches import Batches
from dynaxx.engine.board import Task
from dynaxx.engine.run import OnStep, Run
from dynaxx.engine.trace import peak_gib
from dynaxx.signal.device import synchronize_computed, working_on
from dynaxx.spec.graph import Node
from dynaxx.stage.faults import device_errors
from dynaxx.stage.memory import ran_out
from dynaxx.stage.stage import Stage


@final
@dataclass
class Worker:
    """A device by its name, with the stages that it holds, and how many samples of each node pass it at once."""

    name: str
    stages: dict[str, Stage]
    batches: dict[str, Batches]

    @property
    def device(self) -> torch.device:
        """Where it computes; workers on a CPU have numbers, and share its memory."""
        device = torch.device(self.name)
        return torch.device("cpu") if device.type == "cpu" else device

    def of(self, node: Node, run: Run) -> Batches:
        """The batch sizes of a node."""
        return self.batches.setdefault(node.name, Batches(run.batch_size, run.probe))


@final
@dataclass(frozen=True)
class Made:
    """A part that is done: where, how long it took, the foreign calls, and what the node was given."""

    task: Task
    worker: str
    took_s: float
    calls: Sequence[Mapping[str, Any]]
    inputs: Mapping[str, list[Tensor]]


def make(run: Run, worker: Worker, task: Task, on_step: OnStep | None) -> Made:
    """Have a worker make a part, which goes to the run's outputs; in halves where its memory does not do for all."""
    mine = replace(run, device=worker.device, stages=worker.stages, inputs={}, on_step=on_step)
    calls, batches, began = list[Mapping[str, Any]](), worker.of(task.node, run), time.perf_counter()
    with torch.no_grad(), working_on(worker.device), device_errors(task.node.stage.name, worker.device):
        answer = _fitting(mine, task.node, task.part, calls, batches)
        synchronize_computed(worker.device)
        run.outputs[task.node.name][task.part] = answer.to("cpu", run.dtype)
    took_s = time.perf_counter() - began
    batches.took(len(answer), took_s)
    given = {name: [x.cpu() for x in parts] for name, parts in mine.inputs.get(task.node.name, {}).items()}
    return Made(task, worker.name, took_s, calls, given)


def _fitting(run: Run, node: Node, part: slice, calls: list[Mapping[str, Any]], batches: Batches) -> Tensor:
    """A part's answer, in halves where the device's memory does not do for all of it; later parts are smaller then."""
    found = list[Mapping[str, Any]]()
    try:
        answer = run.part(node, part, found)
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error) or not batches.failed(part.stop - part.start):
            raise
    else:
        calls += found
        return answer
    middle = part.start + -(-(part.stop - part.start) // 2)
    halves = slice(part.start, middle), slice(middle, part.stop)
    return torch.cat([_fitting(run, node, half, calls, batches) for half in halves])


def note(run: Run, nodes: Iterable[Node], made: Iterable[Made], workers: Mapping[str, Worker]) -> None:
    """Put what was made into the run's trace and its kept inputs, in the order of the samples."""
    parts = sorted(made, key=lambda one: one.task.part.start)
    for node in nodes:
        record, mine = run.record(node), [one for one in parts if one.task.node.name == node.name]
        record.calls = [call for one in mine for call in one.calls]
        record.took = [(one.task.count, one.took_s) for one in mine]
        record.latency_s = sum(one.took_s for one in mine)
        record.batch_size = max(one.task.count for one in mine)
        for one in mine:
            record.by_device[one.worker] = record.by_device.get(one.worker, 0) + one.task.count
            for name, given in one.inputs.items():
                run.inputs.setdefault(node.name, {}).setdefault(name, []).extend(given)
        record.peak_gib = max(peak_gib(workers[name].device) for name in record.by_device)
        record.probed = dict(workers[mine[0].worker].of(node, run).tried)
        run.trace.nodes.append(record)
