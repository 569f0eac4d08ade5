"""Stages spread over several devices: a pipeline over batches, each worker taking its next batch when it is there."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from dynaxx.engine.move import move
from dynaxx.engine.run import Run
from dynaxx.engine.trace import NodeRecord
from dynaxx.spec.graph import Node
from dynaxx.stage.memory import ran_out
from dynaxx.stage.stage import Stage

Spread = Mapping[str, Sequence[str]]
"""Stages by name, each with the devices that hold it: several where it is replicated, as the slowest may be."""


@final
@dataclass
class Worker:
    """One device with the stages it holds; its nodes' batches are taken in order, one at a time."""

    device: str
    stages: dict[str, Stage]

    def takes(self, node: Node, batch: int, spread: Spread) -> bool:
        """Whether a batch of a node is this worker's: replicas take turns."""
        devices = spread[node.stage.name]
        return devices[batch % len(devices)] == self.device


def run_spread(run: Run, nodes: Sequence[Node], spread: Spread) -> None:
    """Run all nodes over all batches, every worker in a thread of its own; stages that nobody spreads stay where the
    run is.

    Sample k is the same as in any other placement: streams are addressed by sample. What nodes were given is not kept.
    """
    with run.trace.event("encode"):
        run.condition = run.encode()
    spread = {node.stage.name: spread.get(node.stage.name) or (str(run.device),) for node in nodes}
    workers = _workers(run, nodes, spread)
    total = len(run.draws.ids)
    batches = [slice(i, min(i + run.batch_size, total)) for i in range(0, total, run.batch_size)]
    records = {node.name: run.record(node) for node in nodes}
    done = {(node.name, i): Future[None]() for node in nodes for i in range(len(batches))}
    for node in nodes:
        run.outputs[node.name] = torch.empty(total, *node.grid.shape, dtype=run.dtype)
    failed = threading.Event()

    def work(worker: Worker) -> None:
        mine = replace(run, device=torch.device(worker.device), stages=worker.stages, keep=frozenset())
        for i, batch in enumerate(batches):
            for node in nodes:
                if worker.takes(node, i, spread):
                    _one(mine, node, batch, i, done, records[node.name], failed)

    with ThreadPoolExecutor(len(workers)) as pool:
        for future in [pool.submit(work, worker) for worker in workers]:
            future.result()
    run.trace.nodes += [records[node.name] for node in nodes]


def _one(
    run: Run,
    node: Node,
    batch: slice,
    number: int,
    done: Mapping[tuple[str, int], Future[None]],
    record: NodeRecord,
    failed: threading.Event,
) -> None:
    """Wait for what a batch of a node reads, run it, and say that it is there; the first failure ends all workers."""
    for parent in node.parents:
        while (parent, number) in done and not failed.is_set():
            try:
                done[parent, number].result(timeout=0.1)
                break
            except TimeoutError:
                continue
    if failed.is_set():
        return
    began, calls = time.perf_counter(), list[Mapping[str, Any]]()
    try:
        with torch.no_grad():
            run.outputs[node.name][batch] = _fitting(run, node, batch, calls).cpu()
    except BaseException:
        failed.set()
        raise
    record.calls += calls
    record.latency_s += time.perf_counter() - began
    done[node.name, number].set_result(None)


def _fitting(run: Run, node: Node, batch: slice, calls: list[Mapping[str, Any]]) -> Tensor:
    """A batch's answer, in halves where the device's memory does not do for all of it."""
    made = list[Mapping[str, Any]]()
    try:
        answer = run.part(node, batch, made)
        calls += made
        return answer
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error) or batch.stop - batch.start == 1:
            raise
    middle = (batch.start + batch.stop) // 2
    halves = slice(batch.start, middle), slice(middle, batch.stop)
    return torch.cat([_fitting(run, node, half, calls) for half in halves])


def _workers(run: Run, nodes: Sequence[Node], spread: Spread) -> list[Worker]:
    """A worker per device; a stage's first device gets the stage itself, the others copies."""
    found: dict[str, Worker] = {}
    for name in dict.fromkeys(node.stage.name for node in nodes):
        for number, device in enumerate(spread[name]):
            worker = found.setdefault(device, Worker(device, {}))
            worker.stages[name] = run.stages[name] if number == 0 else deepcopy(run.stages[name])
            with run.trace.event(f"fetch {name} on {device}"):
                move("fetch", worker.stages[name], torch.device(device), run.condition)
    return list(found.values())
