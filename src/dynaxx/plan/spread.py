"""A run whose stages are spread over several devices: who holds what, what each holds at most, and how fast it is."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, final

from dynaxx.plan.assign import Load, Spread, streamed
from dynaxx.plan.events import Event, codecs_of
from dynaxx.plan.node_plan import NodePlan
from dynaxx.plan.pace import Pace, batch_of, on_cpu, pace_of, stage_seconds
from dynaxx.plan.placement import Residence
from dynaxx.plan.predict import RunPlan, plan_run, streaming
from dynaxx.plan.profiles import Building
from dynaxx.plan.seating import loads_of, names_of, room_bytes, seat
from dynaxx.plan.signals import asked_bytes, signal_bytes
from dynaxx.plan.told import Teller
from dynaxx.plan.unpaced import Unpaced, unpaced
from dynaxx.plan.weights import weights_of
from dynaxx.spec.cascade import CascadeSpec
from dynaxx.spec.graph import Node
from dynaxx.spec.stage import PipelineStage


@final
@dataclass(frozen=True)
class DevicePlan:
    """A device with its stages: their weights, and the most that it holds while any of their nodes runs."""

    device: str
    stages: tuple[str, ...]
    streamed: tuple[str, ...]
    weights_bytes: int
    peak_bytes: float


@final
@dataclass(frozen=True)
class Host:
    """Bytes in the machine's own memory: answers of all nodes and what is asked for, which stay to the end; copies that
    weights are brought from; and what workers on the CPU hold at most, all at once.
    """

    answers_bytes: int
    masters_bytes: int
    workers_bytes: float


@final
@dataclass(frozen=True)
class SpreadPlan:
    """A run over devices; its nodes' peaks are those of the fullest device that makes them.

    `host` is what is held beside the devices.
    """

    run: RunPlan
    spread: Spread
    by: Literal["name", "clock"]
    batch: int
    devices: tuple[DevicePlan, ...]
    host: Host
    pace: Pace
    unpaced: Unpaced


@final
@dataclass(frozen=True)
class SpreadQuestion:
    """A run that is asked about: devices in a list, or by stage; `kind` is what a device that is no CPU is."""

    devices: Sequence[str] | Spread
    kind: str
    samples: int
    batch: int
    cap_bytes: int | None = None
    decode: Collection[str] = ()


def plan_spread(
    spec: CascadeSpec,
    graph: Sequence[Node],
    asked: SpreadQuestion,
    teller: Teller | None,
    *,
    build: Building | None = None,
    root: Path | None = None,
) -> SpreadPlan:
    """What a run over several devices takes, before anything is loaded.

    Raises:
        UsageError: if a stage or a device is not known, or nothing says who is to hold what.
        RunError: if weights do not fit.
    """
    names = names_of(asked.devices)
    home = "cpu" if on_cpu(names[0]) else names[0]  # where the run is, and stages that nobody spreads
    named = asked.devices if isinstance(asked.devices, Mapping) else {node.stage.name for node in graph}
    at_work = {*names, *(home for node in graph if node.stage.name not in named)}
    batch = batch_of(asked.batch, asked.samples, len(at_work))
    plans = plan_run(spec, graph, samples=asked.samples, batch=batch, on_cpu=False, build=build, root=root).nodes
    seconds = stage_seconds(plans, teller) if teller is not None else None
    planned = {one.node.stage.name: one.profile.weights if one.profile else None for one in plans}
    loads = loads_of(graph, weights_of(graph, planned, root), seconds, frugal=asked.cap_bytes is not None)
    rooms = {device: room_bytes(device, asked.kind, asked.cap_bytes) for device in (*names, home)}
    spread, by = seat(asked.devices, home, loads, rooms, told=seconds is not None)
    flows = {(name, on) for name, devices in spread.items() for on in devices if streamed(loads[name], rooms[on])}
    used = tuple(dict.fromkeys(device for devices in spread.values() for device in devices))
    placed = {device: _placed(plans, device, spread, flows, spec, root) for device in used}
    devices = tuple(_device(device, mine, flows) for device, mine in placed.items())
    nodes = tuple(_fullest(one.node.name, list(placed.values())) for one in plans)
    lie = Residence("resident", frozenset(name for name, _ in flows))
    run = RunPlan(nodes, _events(graph, spread, flows, asked.decode), lie, asked.cap_bytes)
    host = _host(spec, plans, devices, loads, asked)
    pace = pace_of(seconds, loads, spread, asked.samples, batch)
    return SpreadPlan(run, spread, by, batch, devices, host, pace, unpaced(nodes, used, asked.kind))


def _placed(
    plans: Sequence[NodePlan],
    device: str,
    spread: Spread,
    flows: Collection[tuple[str, str]],
    spec: CascadeSpec,
    root: Path | None,
) -> dict[str, NodePlan]:
    """A device's nodes, as it runs them."""
    found = {}
    for one in (one for one in plans if device in spread[one.node.stage.name]):
        mine = replace(one, on_cpu=on_cpu(device))
        found[one.node.name] = streaming(mine, spec, root) if (one.node.stage.name, device) in flows else mine
    return found


def _fullest(name: str, placed: Sequence[Mapping[str, NodePlan]]) -> NodePlan:
    """A node as the device runs it that holds the most."""
    found = [replace(mine[name], peak_bytes=_peak(mine[name], mine)) for mine in placed if name in mine]
    return max(found, key=lambda one: one.peak_bytes)


def _peak(one: NodePlan, mine: Mapping[str, NodePlan]) -> float:
    """What a device holds while it runs a node: the node's own peak, and its other stages' weights."""
    resting = {other.node.stage.name: other.resting for other in mine.values()}
    return one.own_bytes + sum(resting.values()) - resting[one.node.stage.name]


def _device(device: str, mine: Mapping[str, NodePlan], flows: Collection[tuple[str, str]]) -> DevicePlan:
    weights = {one.node.stage.name: one.resting for one in mine.values()}
    flowing = tuple(name for name in weights if (name, device) in flows)
    return DevicePlan(
        device, tuple(weights), flowing, sum(weights.values()), max(_peak(one, mine) for one in mine.values())
    )  # fmt: skip


def _events(
    graph: Sequence[Node], spread: Spread, flows: Collection[tuple[str, str]], decode: Collection[str]
) -> tuple[Event, ...]:
    """Codecs work where the run is; every device then has its stages, and holds them to the end."""
    found = [*(Event("fetch-codec", codec) for codec in codecs_of(graph, decode)), Event("encode")]
    for device in dict.fromkeys(device for devices in spread.values() for device in devices):
        for name in (name for name, devices in spread.items() if device in devices):
            found.append(Event("stream" if (name, device) in flows else "fetch", f"{name} on {device}"))
    return (*found, *(Event("decode", node.name) for node in graph if node.name in decode))


def _host(
    spec: CascadeSpec,
    plans: Sequence[NodePlan],
    devices: Sequence[DevicePlan],
    loads: Mapping[str, Load],
    asked: SpreadQuestion,
) -> Host:
    answers = sum(signal_bytes(one.node.grid, asked.samples) for one in plans)
    frugal = asked.cap_bytes is not None
    kept = {one.node.stage.name for one in plans if frugal and isinstance(one.node.stage, PipelineStage)}
    gpus = [found for found in devices if not on_cpu(found.device)]
    masters = [
        loads[name].weights or 0 for found in gpus for name in {*found.streamed, *kept.intersection(found.stages)}
    ]
    working = sum(found.peak_bytes for found in devices if on_cpu(found.device))
    return Host(answers + asked_bytes(spec, asked.samples), sum(masters), working)
